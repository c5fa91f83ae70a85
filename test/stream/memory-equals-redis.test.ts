import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { MemoryServer } from '#stream/memory/memory-server.ts'
import { SCRIPTS } from '#stream/scripts.ts'
import { type FlavouredRedis, startFlavour } from '../support/redis-flavours.ts'
import { isThorough } from '../support/slow-test.ts'

/** Command by command: whatever sequence is drawn, the server inside the process answers as a real one does. */

const [STREAM, TEXT] = ['diff-stream', 'diff-text']
const LONG_MS = '3600000'
const SCRIPT_NAMES = new Set(SCRIPTS.map(({ name }) => name))

const key = fc.oneof({ weight: 9, arbitrary: fc.constant(STREAM) }, { weight: 1, arbitrary: fc.constant(TEXT) })
const group = fc.constantFrom('g', 'g', 'g', 'h')
const consumer = fc.constantFrom('a', 'b')
const id = fc.integer({ min: 1, max: 14 }).map(number => `${number}-0`)
const ids = fc.array(id, { minLength: 1, maxLength: 4 })
const count = fc.constantFrom('1', '2', '3', '50')
const start = fc.oneof(
  fc.constant('-'),
  id,
  id.map(text => `(${text}`),
)
const end = fc.oneof(fc.constant('+'), id)
const command = (...parts: (string | fc.Arbitrary<string> | fc.Arbitrary<string[]>)[]) =>
  fc
    .tuple(...parts.map(part => (typeof part === 'string' ? fc.constant(part) : part)))
    .map(values => values.flat() as string[])
/** Idle for ever, or for no time at all: what lies between depends on the moment. */
const idle = fc.constantFrom('0', LONG_MS)
const xadd = command('XADD', key, id, 'n', fc.constantFrom('1', ''))
const readNew = command('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', key, '>')
/** Most sequences begin where something can happen: entries, a group, and some of them handed out. */
const BEGINNING = [
  ['XGROUP', 'CREATE', STREAM, 'g', '0', 'MKSTREAM'],
  ...Array.from({ length: 9 }, (_, index) => ['XADD', STREAM, `${index + 1}-0`, 'n', String(index)]),
  ['XREADGROUP', 'GROUP', 'g', 'a', 'COUNT', '3', 'STREAMS', STREAM, '>'],
  ['XREADGROUP', 'GROUP', 'g', 'b', 'COUNT', '3', 'STREAMS', STREAM, '>'],
]
/** Asked after every sequence: whatever a command changed shows here. */
const STATE = ['g', 'h'].flatMap(name => [
  ['XPENDING', STREAM, name, '-', '+', '50'],
  ['XINFO', 'CONSUMERS', STREAM, name],
])
const END = [['XRANGE', STREAM, '-', '+', 'COUNT', '50'], ['XINFO', 'GROUPS', STREAM], ['GET', TEXT], ...STATE]
const beginning = fc.integer({ min: 0, max: BEGINNING.length }).map(length => BEGINNING.slice(0, length))

const commands = fc.oneof(
  { weight: 6, arbitrary: xadd },
  { weight: 4, arbitrary: command('XGROUP', 'CREATE', key, group, fc.constantFrom('0', '$', '3-0'), 'MKSTREAM') },
  { weight: 6, arbitrary: readNew },
  command('XGROUP', 'CREATE', key, group, '0'),
  command('XGROUP', 'DESTROY', key, group),
  command('XGROUP', 'SETID', key, group, fc.oneof(fc.constant('$'), id)),
  command('XGROUP', fc.constantFrom('CREATECONSUMER', 'DELCONSUMER'), key, group, consumer),
  command('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', key, fc.oneof(fc.constant('0'), id)),
  command('XACK', key, group, ids),
  command('XDEL', key, ids),
  fc
    .tuple(key, group, fc.constantFrom('KEEPREF', 'ACKED'), ids)
    .map(([name, of, mode, list]) => ['XACKDEL', name, of, mode, 'IDS', String(list.length), ...list]),
  command('XCLAIM', key, group, consumer, idle, ids, 'IDLE', idle, 'JUSTID'),
  command('XCLAIM', key, group, consumer, idle, ids, 'IDLE', idle, 'RETRYCOUNT', count, 'JUSTID'),
  command('XCLAIM', key, group, consumer, '0', ids),
  command('XAUTOCLAIM', key, group, consumer, idle, fc.oneof(fc.constant('0-0'), id), 'COUNT', count),
  command('XAUTOCLAIM', key, group, consumer, idle, '0-0', 'COUNT', count, 'JUSTID'),
  command('XPENDING', key, group),
  command('XPENDING', key, group, start, end, count),
  command('XPENDING', key, group, start, end, count, consumer),
  command('XPENDING', key, group, 'IDLE', LONG_MS, '-', '+', count),
  command('XRANGE', key, start, end, 'COUNT', count),
  command('XREAD', 'COUNT', count, 'STREAMS', key, id),
  command('XINFO', 'GROUPS', key),
  command('XINFO', 'CONSUMERS', key, group),
  command('XTRIM', key, 'MAXLEN', fc.constantFrom('0', '2', '5')),
  command('XLEN', key),
  command('SET', key, 'x'),
  command('SET', TEXT, '1', 'PX', LONG_MS, 'NX'),
  command('INCRBY', TEXT, count),
  command(fc.constantFrom('GET', 'DEL', 'EXISTS', 'MGET', 'PTTL'), key),
  command('streamAckDelete', key, group, '0', '0', ids),
  command('streamAckDelete', key, group, '2', '1', id, id, ids),
  command('streamAckDelete', key, group, '4', '2', id, id, id, id, id, ids),
  command('streamAckOwned', key, group, consumer, id),
  command('streamRenewOwned', key, group, consumer, idle, id, fc.constantFrom('', '0', '3')),
  command('streamForgive', key, group, ids),
  command('streamRemoveDeadConsumers', key, group, consumer, fc.constantFrom('0', LONG_MS)),
  command('streamRemoveConsumer', key, group, consumer),
  command('streamTrimAcknowledged', key, group, count),
  command('streamRemove', key, group),
)

let redis: FlavouredRedis

beforeAll(async () => {
  redis = await startFlavour('8.2')
  for (const { name, lua } of SCRIPTS) redis.probe.defineCommand(name, { numberOfKeys: 1, lua })
}, 120_000)
afterAll(() => redis?.stop())

/** Times in ms are not compared, but for «very long» and «just now»; nor is what only newer servers say. */
function comparable(name: string, reply: unknown): unknown {
  const isLong = (value: unknown) => Number(value) > 1_000_000
  if (name === 'PTTL') return isLong(reply) || reply
  if (!Array.isArray(reply)) return reply
  if (name === 'XPENDING' && Array.isArray(reply[0])) {
    return (reply as unknown[][]).map(([text, holder, idleMs, times]) => [text, holder, isLong(idleMs), times])
  }
  if (name === 'XINFO') return reply.map(info => known(info as unknown[]))
  return reply
}

function known(info: unknown[]): unknown[] {
  const pairs = info.flatMap((field, at) => (at % 2 === 0 ? [[field, info[at + 1]]] : []))
  const wanted = pairs.filter(([field]) =>
    ['name', 'pending', 'consumers', 'last-delivered-id'].includes(String(field)),
  )
  return wanted.flat()
}

/** An error inside a script is told with the script's own place. */
function refused(error: Error): string {
  return error.message.replace(/ script: .*$/, '').replace(/^ERR (?=[A-Z]{4,})/, '')
}

async function askReal([name = '', ...args]: string[]): Promise<unknown> {
  try {
    const client = redis.probe as unknown as Record<string, (...args: string[]) => Promise<unknown>>
    const method = SCRIPT_NAMES.has(name) ? name : name.toLowerCase()
    const reply = method === 'xackdel' ? await redis.probe.call(name, ...args) : await client[method]!(...args)
    return comparable(name, reply)
  } catch (error) {
    return { refused: refused(error as Error) }
  }
}

function askMemory(server: MemoryServer, asked: string[]): unknown {
  const answer = server.execute(asked)
  return 'error' in answer ? { refused: refused(answer.error) } : comparable(asked[0] ?? '', answer.reply)
}

describe('the server inside the process', () => {
  test('answers every sequence of commands as a real one does', async () => {
    await fc.assert(
      fc.asyncProperty(beginning, fc.array(commands, { minLength: 5, maxLength: 40 }), async (first, then) => {
        await redis.probe.flushall()
        const server = new MemoryServer()
        for (const asked of [...first, ...then, ...END]) {
          expect([asked, askMemory(server, asked)]).toEqual([asked, await askReal(asked)])
        }
      }),
      { numRuns: isThorough ? 1000 : 200 },
    )
  }, 120_000)
})
