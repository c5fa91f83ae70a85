import type { Commands, Reply } from './command.ts'
import type { Keyspace } from './keyspace.ts'
import type { MemoryEntry, MemoryStream } from './memory-stream.ts'
import { integer, refusal, wrongArguments } from './refusal.ts'
import { idText, parseEnd, parseId, parseStart } from './stream-id.ts'

/** What a server deletes at most by one approximate trim that names no limit: 100 nodes. */
const TRIM_LIMIT = 10_000

interface Trim {
  length: number
  isApproximate: boolean
  limit: number
}

export const entryReply = ({ text, fields }: MemoryEntry): Reply => [text, [...fields]]

/** `MAXLEN [~|=] length [LIMIT count]` from `at` on; the rest begins at `next`. */
function parseTrim(args: string[], at: number): { trim: Trim; next: number } {
  let next = at + 1
  const isApproximate = args[next] === '~'
  if (isApproximate || args[next] === '=') next += 1
  const length = integer(args[next])
  next += 1
  if (args[next]?.toUpperCase() !== 'LIMIT') return { trim: { length, isApproximate, limit: TRIM_LIMIT }, next }
  if (!isApproximate) throw refusal('ERR syntax error, LIMIT cannot be used without the special ~ option')
  return { trim: { length, isApproximate, limit: integer(args[next + 1]) || Number.POSITIVE_INFINITY }, next: next + 2 }
}

const trimTo = (stream: MemoryStream, { length, isApproximate, limit }: Trim) =>
  isApproximate ? stream.trimNodes(length, limit) : stream.trim(length)

/** XADD key [MAXLEN …] id|* field value … */
function xadd(keys: Keyspace, args: string[]): Reply {
  const [key = ''] = args
  const hasTrim = args[1]?.toUpperCase() === 'MAXLEN'
  const { trim, next } = hasTrim ? parseTrim(args, 1) : { trim: undefined, next: 1 }
  const [id = '', ...fields] = args.slice(next)
  if (fields.length === 0 || fields.length % 2 === 1) throw wrongArguments('xadd')
  const given = id === '*' ? undefined : parseId(id)
  keys.assertRoom()
  const stream = keys.makeStream(key)
  if (given !== undefined && stream.isBehind(given)) {
    throw refusal('ERR The ID specified in XADD is equal or smaller than the target stream top item')
  }
  const added = stream.add(given ?? stream.nextId(keys.nowMs), fields)
  if (trim !== undefined) trimTo(stream, trim)
  return added
}

function xrange(keys: Keyspace, [key = '', start = '', end = '', ...options]: string[]): Reply {
  const [from, to] = [parseStart(start), parseEnd(end)]
  const count = options[0]?.toUpperCase() === 'COUNT' ? integer(options[1]) : undefined
  return (keys.stream(key)?.entries.range(from, to, count) ?? []).map(entryReply)
}

/** XREVRANGE key end start [COUNT count] */
function xrevrange(keys: Keyspace, [key = '', end = '', start = '', ...options]: string[]): Reply {
  const all = (xrange(keys, [key, start, end]) as Reply[]).reverse()
  return options[0]?.toUpperCase() === 'COUNT' ? all.slice(0, integer(options[1])) : all
}

/** The streams and ids behind `STREAMS`, one id each. */
export function parseStreams(args: string[], command: string): { key: string; id: string }[] {
  const at = args.findIndex(arg => arg.toUpperCase() === 'STREAMS')
  const names = args.slice(at + 1)
  if (at < 0 || names.length === 0 || names.length % 2 === 1) {
    throw refusal(
      `ERR Unbalanced '${command}' list of streams: for each stream key an ID, '+', or '$' must be specified.`,
    )
  }
  const half = names.length / 2
  return names.slice(0, half).map((key, index) => ({ key, id: names[half + index] as string }))
}

/** COUNT before `STREAMS`; infinite without. */
export function parseCount(args: string[]): number {
  const at = args.findIndex(arg => arg.toUpperCase() === 'COUNT')
  const end = args.findIndex(arg => arg.toUpperCase() === 'STREAMS')
  return at < 0 || (end >= 0 && at > end) ? Number.POSITIVE_INFINITY : integer(args[at + 1]) || Number.POSITIVE_INFINITY
}

/** XREAD [COUNT count] STREAMS key … id …; never blocks. */
function xread(keys: Keyspace, args: string[]): Reply {
  const count = parseCount(args)
  const looks = parseStreams(args, 'xread').map(({ key, id }) => ({ key, id, stream: keys.stream(key) }))
  const found = looks.flatMap(({ key, id, stream }): Reply[] => {
    const entries = stream?.after(parseId(id), count) ?? []
    return entries.length === 0 ? [] : [[key, entries.map(entryReply)]]
  })
  return found.length === 0 ? null : found
}

function xdel(keys: Keyspace, [key = '', ...ids]: string[]): Reply {
  const texts = ids.map(id => idText(parseId(id)))
  const stream = keys.stream(key)
  return texts.filter(text => stream?.entries.delete(text)).length
}

function xtrim(keys: Keyspace, args: string[]): Reply {
  if (args[1]?.toUpperCase() !== 'MAXLEN') throw refusal('ERR syntax error')
  const stream = keys.stream(args[0] ?? '')
  const { trim } = parseTrim(args, 1)
  return stream === undefined ? 0 : trimTo(stream, trim)
}

export const streamCommands: Commands = {
  XADD: xadd,
  XRANGE: xrange,
  XREVRANGE: xrevrange,
  XREAD: xread,
  XDEL: xdel,
  XTRIM: xtrim,
  XLEN: (keys, [key = '']) => keys.stream(key)?.entries.size ?? 0,
}
