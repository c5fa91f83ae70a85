import { describe, expect, test } from '@jest/globals'
import { ReplyScan, UnknownReply } from '#stream/reply-scan.ts'

const REPLIES = [
  '+OK\r\n',
  '-ERR no\r\n',
  ':-12\r\n',
  '_\r\n',
  '#t\r\n',
  ',1.5\r\n',
  '(12345678901234567890\r\n',
  '$5\r\nhello\r\n',
  '$10\r\n*1\r\n$2\r\nab\r\n',
  '$0\r\n\r\n',
  '$-1\r\n',
  '!6\r\nERR no\r\n',
  '=5\r\ntxt:a\r\n',
  '*0\r\n',
  '*-1\r\n',
  '*2\r\n:1\r\n$2\r\nab\r\n',
  '~1\r\n+x\r\n',
  '>2\r\n+a\r\n+b\r\n',
  '%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n',
  '*2\r\n*1\r\n$-1\r\n*-1\r\n',
  `*12\r\n${':7\r\n'.repeat(12)}`,
  // More digits than a number has room for.
  `*2\r\n(${'9'.repeat(400)}\r\n+x\r\n`,
]

describe.each(REPLIES)('%j', reply => {
  const bytes = Buffer.from(reply)

  test('ends where it ends, whatever comes behind it, and wherever it begins', () => {
    const scan = new ReplyScan(3)
    expect(scan.isComplete(Buffer.from(`:1\r${reply}+x\r\n`))).toBe(true)
    expect(scan.at).toBe(3 + bytes.length)
  })

  test('is not complete before its last byte, and is with it, in whatever pieces', () => {
    const scan = new ReplyScan(0)
    for (let length = 0; length < bytes.length; length++) {
      expect(new ReplyScan(0).isComplete(bytes.subarray(0, length))).toBe(false)
      expect(scan.isComplete(bytes.subarray(0, length))).toBe(false)
    }
    expect([scan.isComplete(bytes), scan.at]).toEqual([true, bytes.length])
  })
})

test.each(['?', 'x', '\r', '\0'])('%j begins no reply', sign => {
  expect(() => new ReplyScan(0).isComplete(Buffer.from(sign))).toThrow(UnknownReply)
  expect(() => new ReplyScan(0).isComplete(Buffer.from(`*2\r\n+OK\r\n${sign}`))).toThrow(`a reply of the kind ${sign}`)
})
