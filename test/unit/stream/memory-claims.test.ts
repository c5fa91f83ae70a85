import { beforeEach, expect, test } from '@jest/globals'
import { MemoryServer } from '#stream/memory/memory-server.ts'

let server: MemoryServer
beforeEach(() => {
  server = new MemoryServer()
  server.execute(['XGROUP', 'CREATE', 's', 'g', '0', 'MKSTREAM'])
  server.execute(['XADD', 's', '1-0', 'n', '1'])
  server.execute(['XREADGROUP', 'GROUP', 'g', 'dead', 'STREAMS', 's', '>'])
})

/** What the server says to a claim of the entry with these options, and who has it then. */
function claim(...options: string[]) {
  const answer = server.execute(['XCLAIM', 's', 'g', 'me', '0', '1-0', ...options])
  const [[, owner]] = (server.execute(['XPENDING', 's', 'g', '-', '+', '1']) as { reply: [string, string][] })
    .reply as [[string, string]]
  return { answer, owner }
}

test.each([['FORCE'], ['TIME', '1'], ['IDEL', '5']])(
  'XCLAIM with an option that it does not know is refused: %s',
  (...options) => {
    const { answer, owner } = claim(...options)
    expect(answer).toEqual({ error: new Error(`ERR Unrecognized XCLAIM option '${options[0]}'`) })
    expect(owner).toBe('dead')
  },
)

test.each([['IDLE', '5'], ['retrycount', '2'], ['JustId']])(
  'in upper and lower case those that it knows are taken: %s',
  (...options) => {
    expect(claim(...options).owner).toBe('me')
  },
)
