#!/usr/bin/env node
'use strict'
// Which version this is it says under any Node.
if (process.argv[2] === '--version' || process.argv[2] === '-V') {
  process.stdout.write(`${require('../../package.json').version}\n`)
} else {
  require('../runtime/node-version.cjs')
  import('./cli.ts')
}
