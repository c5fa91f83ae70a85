'use strict'
// Words that any Node of the last years reads: an old one must get as far as saying that it is old. First import of each process; npm's
// scripts run it by itself too, because Node 20 does not even begin to load a «.ts» file.
const needed = Number(/\d+/.exec(require('../../package.json').engines.node)[0])
const major = Number(process.versions.node.split('.')[0])
if (major < needed) {
  process.stderr.write(
    'promostream needs Node ' +
      needed +
      ' or newer, and this is ' +
      process.version +
      ' (' +
      process.execPath +
      '): start it with «npm run …», which uses the Node that «npm ci» brings, or install a newer one\n',
  )
  process.exit(1)
}
