import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { notApplicable, useRedis } from '../support/stream-harness.ts'

/** The conformance suite on the server inside the process, which `createTestQueue` brings. */
useRedis('memory')

const RUN = [
  'coexistence',
  'faults',
  'flow',
  'hostile',
  'input',
  'letters',
  'pitfalls',
  'producer',
  'recovery',
  'restart',
  'stretches',
  'thrown',
  'waiting',
  'worker',
]

/** Not applicable to a server without a socket, as whole files; and why. */
const NOT_RUN = {
  'dead-connections': 'connections that fall silent',
  demoted: 'a master that becomes a replica',
  'lost-replies': 'replies that are lost on the way, by a proxy',
}

for (const file of RUN) await import(`./conformance/${file}.ts`)

test('what it cannot show is known by name', async () => {
  const files = await readdir(join(import.meta.dirname, 'conformance'))
  expect(files.sort()).toEqual([...RUN, ...Object.keys(NOT_RUN)].map(file => `${file}.ts`).sort())
  expect(notApplicable.sort()).toEqual([
    'an add to a server that is not there is refused within a bound, and may be made again',
    'an add to a server that never answers is refused within a bound, and may be made again',
    'an error carries its command, with the password and the payload: ours do not',
    'go back byte by byte: what is no text, and a name that comes twice',
    'is what a worker acknowledges by, in whatever order its handlers end',
    'that is refused half-way says what was added: adding it again would double that',
  ])
})
