import { claimCommands } from './claim-commands.ts'
import type { Commands, Reply } from './command.ts'
import type { Keyspace } from './keyspace.ts'
import { MemoryGroup, type PendingMark } from './memory-group.ts'
import type { MemoryStream } from './memory-stream.ts'
import { integer, refusal } from './refusal.ts'
import { entryReply, parseCount, parseStreams } from './stream-commands.ts'
import { compareIds, idText, parseEnd, parseId, parseStart } from './stream-id.ts'

const END = parseEnd('+')

const byName = (left: { name: string }, right: { name: string }) => (left.name < right.name ? -1 : 1)

/** XREADGROUP GROUP group consumer [COUNT count] [NOACK] STREAMS key … >|id …; never blocks. */
function xreadgroup(keys: Keyspace, args: string[]): Reply {
  const [, group = '', consumer = ''] = args
  const count = parseCount(args)
  const isNoAck = args
    .slice(
      3,
      args.findIndex(arg => arg.toUpperCase() === 'STREAMS'),
    )
    .includes('NOACK')
  const reads = parseStreams(args, 'xreadgroup').map(({ key, id }) => {
    const stream = keys.stream(key)
    const found = stream?.groups.get(group)
    if (stream === undefined || found === undefined) {
      throw refusal(`NOGROUP No such key '${key}' or consumer group '${group}' in XREADGROUP with GROUP option`)
    }
    return { key, id, stream, group: found }
  })
  const replies = reads.flatMap((read): Reply[] => {
    const entries =
      read.id === '>'
        ? readNew(keys, read, consumer, count, isNoAck)
        : readOwn(keys, read, consumer, parseId(read.id), count)
    return entries.length === 0 && read.id === '>' ? [] : [[read.key, entries]]
  })
  return replies.length === 0 ? null : replies
}

interface Read {
  stream: MemoryStream
  group: MemoryGroup
}

function readNew(keys: Keyspace, { stream, group }: Read, name: string, count: number, isNoAck: boolean): Reply[] {
  const { nowMs } = keys
  const consumer = group.consumer(name, nowMs)
  consumer.seenAtMs = nowMs
  const entries = stream.after(group.lastDelivered, count)
  for (const { id, text } of entries) {
    group.lastDelivered = id
    if (isNoAck) continue
    group.handOut({ id, text, consumer: name, deliveredAtMs: nowMs, deliveries: 1 })
    consumer.activeAtMs = nowMs
  }
  return entries.map(entryReply)
}

/** What the consumer holds already; each counts as delivered once more, unless its entry was deleted. */
function readOwn(
  keys: Keyspace,
  { stream, group }: Read,
  name: string,
  after: { ms: number; seq: number },
  count: number,
): Reply[] {
  const { nowMs } = keys
  group.consumer(name, nowMs).seenAtMs = nowMs
  const marks = group.pending.range({ ms: after.ms, seq: after.seq + 1 }, END).filter(mark => mark.consumer === name)
  return marks.slice(0, count).map(mark => {
    const entry = stream.entries.get(mark.text)
    if (entry === undefined) return [mark.text, null]
    mark.deliveredAtMs = nowMs
    mark.deliveries += 1
    return entryReply(entry)
  })
}

function groupOf(keys: Keyspace, key: string, name: string): MemoryGroup {
  const group = keys.group(key, name)
  if (group === undefined) throw refusal(`NOGROUP No such key '${key}' or consumer group '${name}'`)
  return group
}

/** XPENDING key group [[IDLE ms] start end count [consumer]] */
function xpending(keys: Keyspace, [key = '', name = '', ...rest]: string[]): Reply {
  const hasIdle = rest[0]?.toUpperCase() === 'IDLE'
  const minIdleMs = hasIdle ? integer(rest[1]) : 0
  const [start, end, count, consumer] = hasIdle ? rest.slice(2) : rest
  const group = groupOf(keys, key, name)
  if (start === undefined) return pendingSummary(group)
  const { nowMs } = keys
  const wanted = Math.max(0, integer(count))
  const rows: Reply[] = []
  for (const mark of group.pending.range(parseStart(start), parseEnd(end ?? ''))) {
    if (rows.length >= wanted) break
    const idleMs = Math.max(0, nowMs - mark.deliveredAtMs)
    if (consumer !== undefined && mark.consumer !== consumer) continue
    if (minIdleMs > 0 && idleMs < minIdleMs) continue
    rows.push([mark.text, mark.consumer, idleMs, mark.deliveries])
  }
  return rows
}

function pendingSummary({ pending, consumers }: MemoryGroup): Reply {
  if (pending.size === 0) return [0, null, null, null]
  const holders = [...consumers].map(([name, consumer]) => ({ name, count: consumer.pending }))
  const counts = holders.filter(({ count }) => count > 0).sort(byName)
  const [first, last] = [pending.first as PendingMark, pending.last as PendingMark]
  return [pending.size, first.text, last.text, counts.map(({ name, count }) => [name, String(count)])]
}

function xack(keys: Keyspace, [key = '', name = '', ...ids]: string[]): Reply {
  const texts = ids.map(id => idText(parseId(id)))
  const group = keys.group(key, name)
  return texts.filter(text => group?.settle(text)).length
}

/**
 * XACKDEL key group KEEPREF | ACKED IDS count id …: for each, 1 = acknowledged and deleted, -1 = was not pending; with
 * ACKED 2 = acknowledged, and kept, because another group was not given it or has not acknowledged it.
 */
function xackdel(keys: Keyspace, [key = '', name = '', mode = '', , , ...ids]: string[]): Reply {
  const stream = keys.stream(key)
  const group = stream?.groups.get(name)
  const isAcked = mode.toUpperCase() === 'ACKED'
  return ids.map(given => {
    const id = parseId(given)
    const text = idText(id)
    if (!group?.settle(text)) return -1
    const others = [...(stream?.groups.values() ?? [])]
    const isNeeded = others.some(
      other => compareIds(other.lastDelivered, id) < 0 || other.pending.get(text) !== undefined,
    )
    if (isAcked && isNeeded) return 2
    stream?.entries.delete(text)
    return 1
  })
}

function xgroup(keys: Keyspace, [action = '', key = '', name = '', ...rest]: string[]): Reply {
  if (action.toUpperCase() === 'CREATE') return createGroup(keys, key, name, rest)
  const stream = keys.stream(key)
  if (stream === undefined) throw missingKey()
  if (action.toUpperCase() === 'DESTROY') return Number(stream.groups.delete(name))
  const group = stream.groups.get(name)
  if (group === undefined) throw refusal(`NOGROUP No such consumer group '${name}' for key name '${key}'`)
  const [consumer = ''] = rest
  if (action.toUpperCase() === 'SETID') {
    group.lastDelivered = consumer === '$' ? stream.lastId : parseId(consumer)
    return 'OK'
  }
  if (action.toUpperCase() === 'DELCONSUMER') return group.removeConsumer(consumer)
  if (action.toUpperCase() !== 'CREATECONSUMER') throw refusal(`ERR unknown subcommand '${action}'. Try XGROUP HELP.`)
  const isNew = !group.consumers.has(consumer)
  group.consumer(consumer, keys.nowMs)
  return Number(isNew)
}

function createGroup(keys: Keyspace, key: string, name: string, [id = '', option]: string[]): Reply {
  const isMaking = option?.toUpperCase() === 'MKSTREAM'
  keys.assertRoom()
  const known = keys.stream(key)
  if (!isMaking && known === undefined) throw missingKey()
  const start = id === '$' ? (known?.lastId ?? { ms: 0, seq: 0 }) : parseId(id)
  const stream = keys.makeStream(key)
  if (stream.groups.has(name)) throw refusal('BUSYGROUP Consumer Group name already exists')
  stream.groups.set(name, new MemoryGroup(start))
  return 'OK'
}

function missingKey(): Error {
  return refusal(
    'ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.',
  )
}

function xinfo(keys: Keyspace, [what = '', key = '', name = '']: string[]): Reply {
  const stream = keys.stream(key)
  if (stream === undefined) throw refusal('ERR no such key')
  if (what.toUpperCase() === 'GROUPS') {
    const groups = [...stream.groups].map(([groupName, group]) => ({ name: groupName, group }))
    return groups.sort(byName).map(groupReply)
  }
  const group = stream.groups.get(name)
  if (group === undefined) throw refusal(`NOGROUP No such consumer group '${name}' for key name '${key}'`)
  const { nowMs } = keys
  const consumers = [...group.consumers].map(([consumerName, consumer]) => ({ name: consumerName, consumer }))
  return consumers.sort(byName).map(({ name: consumerName, consumer: { pending, seenAtMs, activeAtMs } }) => {
    const inactiveMs = activeAtMs < 0 ? -1 : Math.max(0, nowMs - activeAtMs)
    const idleMs = Math.max(0, nowMs - seenAtMs)
    return ['name', consumerName, 'pending', pending, 'idle', idleMs, 'inactive', inactiveMs]
  })
}

function groupReply({ name, group }: { name: string; group: MemoryGroup }): Reply {
  const { consumers, pending, lastDelivered } = group
  return [
    'name',
    name,
    'consumers',
    consumers.size,
    'pending',
    pending.size,
    'last-delivered-id',
    idText(lastDelivered),
  ]
}

export const groupCommands: Commands = {
  ...claimCommands,
  XREADGROUP: xreadgroup,
  XPENDING: xpending,
  XACK: xack,
  XACKDEL: xackdel,
  XGROUP: xgroup,
  XINFO: xinfo,
}
