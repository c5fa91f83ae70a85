#!/usr/bin/env node
'use strict'
require('./node-version.cjs')
import('./cli.ts')
