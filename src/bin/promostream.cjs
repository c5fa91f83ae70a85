#!/usr/bin/env node
'use strict'
require('../runtime/node-version.cjs')
import('./cli.ts')
