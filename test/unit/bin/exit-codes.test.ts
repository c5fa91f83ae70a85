import { expect, test } from '@jest/globals'
import { runCli } from '#test/support/cli.ts'

const OFFLINE = { PATH: process.env.PATH }

// Each starts a process, which waits a good deal.
test.concurrent.each<[words: string, code: number, stderr: RegExp]>([
  ['--help', 0, /^$/],
  ['--version', 0, /^$/],
  ['audit --help', 0, /^$/],
  ['pay 42', 2, /unknown command 'pay'/],
  ['status 42 --twice', 2, /unknown option '--twice'/],
  ['status forty-two', 2, /must be/],
  ['start', 2, /missing required argument 'id'/],
  ['pause 42 --all', 2, /takes the id of a promotion, or --all/],
  ['create --id 42', 2, /required option '--type <type>' not specified/],
  ['dead-letters replay 42', 2, /name dead letters by their ids/],
  ['verify', 2, /^promostream: name a receipt’s file or --promotion, one of them\n$/],
  ['verify receipt.json --promotion 42', 2, /one of them\n$/],
  ['publish --file gifts --type VOUCHER', 2, /^promostream: gifts: say --format csv or --format jsonl\n$/],
  ['verify no-such-receipt.json', 1, /^promostream: no-such-receipt\.json cannot be read.*\n$/],
  ['status 42', 1, /^promostream: DATABASE_URL is not set\n$/],
])('promostream %s: exit code %d', async (words, code, stderr) => {
  const end = await runCli(OFFLINE, ...words.split(' '))
  expect(end).toMatchObject({ code, stderr: expect.stringMatching(stderr) })
})
