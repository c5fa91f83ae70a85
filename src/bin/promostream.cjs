#!/usr/bin/env node
'use strict'
// Which version this is it says under any Node.
if (process.argv[2] === '--version' || process.argv[2] === '-V') {
  process.stdout.write(`${require('../../package.json').version}\n`)
} else {
  require('../runtime/node-version.cjs')
  // Compiled code is kept beside what npm keeps; where nothing can be written there, Node goes on without.
  require('node:module').enableCompileCache?.(
    require('node:path').join(__dirname, '../../node_modules/.cache/promostream'),
  )
  import('./cli.ts')
}
