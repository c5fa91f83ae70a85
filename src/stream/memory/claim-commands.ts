import type { Commands, Reply } from './command.ts'
import type { Keyspace } from './keyspace.ts'
import type { MemoryGroup, PendingMark } from './memory-group.ts'
import type { MemoryStream } from './memory-stream.ts'
import { integer, refusal } from './refusal.ts'
import { entryReply } from './stream-commands.ts'
import { idText, parseEnd, parseId, parseStart } from './stream-id.ts'

/** How many marks an XAUTOCLAIM looks at for each that it may take. */
const LOOKS_PER_CLAIM = 10

interface Claim {
  stream: MemoryStream
  group: MemoryGroup
  consumer: string
  minIdleMs: number
  nowMs: number
  isJustId: boolean
  /** What the entry's delivery time becomes, in ms. */
  deliveredAtMs: number
  /** What its count becomes; undefined: one more, unless only ids are asked for. */
  deliveries: number | undefined
}

/** Takes one for the claim's consumer; undefined when it is too young. */
function take(mark: PendingMark, claim: Claim): Reply | undefined {
  if (claim.minIdleMs > 0 && claim.nowMs - mark.deliveredAtMs < claim.minIdleMs) return undefined
  const consumer = claim.group.consumer(claim.consumer, claim.nowMs)
  if (mark.consumer !== claim.consumer) claim.group.move(mark, claim.consumer, claim.nowMs)
  mark.deliveredAtMs = claim.deliveredAtMs
  if (claim.deliveries !== undefined) mark.deliveries = claim.deliveries
  else if (!claim.isJustId) mark.deliveries += 1
  consumer.activeAtMs = claim.nowMs
  const entry = claim.stream.entries.get(mark.text)
  return claim.isJustId || entry === undefined ? mark.text : entryReply(entry)
}

function noGroup(key: string, name: string): Error {
  return refusal(`NOGROUP No such key '${key}' or consumer group '${name}'`)
}

/** XCLAIM key group consumer min-idle id … [IDLE ms] [RETRYCOUNT count] [JUSTID] */
function xclaim(keys: Keyspace, args: string[]): Reply {
  const [key = '', name = '', consumer = '', minIdle, ...rest] = args
  const { nowMs } = keys
  const stream = keys.stream(key)
  const group = stream?.groups.get(name)
  if (stream === undefined || group === undefined) throw noGroup(key, name)
  const at = rest.findIndex(arg => !/^\d/.test(arg))
  const ids = (at < 0 ? rest : rest.slice(0, at)).map(id => idText(parseId(id)))
  const claim: Claim = {
    stream,
    group,
    consumer,
    minIdleMs: Math.max(0, integer(minIdle)),
    nowMs,
    ...optionsOf(at < 0 ? [] : rest.slice(at), nowMs),
  }
  group.consumer(consumer, nowMs).seenAtMs = nowMs
  return ids.flatMap(id => {
    const mark = group.pending.get(id)
    if (mark === undefined) return []
    // An entry that was deleted has nothing to be claimed: its mark goes.
    const taken = stream.entries.has(id) ? take(mark, claim) : void group.settle(id)
    return taken === undefined ? [] : [taken]
  })
}

function optionsOf(options: string[], nowMs: number): Pick<Claim, 'isJustId' | 'deliveredAtMs' | 'deliveries'> {
  const claim: Pick<Claim, 'isJustId' | 'deliveredAtMs' | 'deliveries'> = {
    isJustId: false,
    deliveredAtMs: nowMs,
    deliveries: undefined,
  }
  for (let at = 0; at < options.length; at++) {
    const option = options[at]?.toUpperCase()
    if (option === 'JUSTID') claim.isJustId = true
    else if (option === 'RETRYCOUNT') claim.deliveries = integer(options[++at])
    else if (option === 'IDLE') {
      const deliveredAtMs = nowMs - integer(options[++at])
      claim.deliveredAtMs = deliveredAtMs < 0 || deliveredAtMs > nowMs ? nowMs : deliveredAtMs
    } else throw refusal(`ERR Unrecognized XCLAIM option '${options[at]}'`)
  }
  return claim
}

/** XAUTOCLAIM key group consumer min-idle start [COUNT count] [JUSTID] */
function xautoclaim(keys: Keyspace, args: string[]): Reply {
  const [key = '', name = '', consumer = '', minIdle, start = '', ...options] = args
  const countAt = options.findIndex(option => option.toUpperCase() === 'COUNT')
  let left = countAt < 0 ? 100 : integer(options[countAt + 1])
  const { nowMs } = keys
  const stream = keys.stream(key)
  const group = stream?.groups.get(name)
  if (stream === undefined || group === undefined) throw noGroup(key, name)
  group.consumer(consumer, nowMs).seenAtMs = nowMs
  const claim: Claim = {
    stream,
    group,
    consumer,
    minIdleMs: Math.max(0, integer(minIdle)),
    nowMs,
    isJustId: options.some(option => option.toUpperCase() === 'JUSTID'),
    deliveredAtMs: nowMs,
    deliveries: undefined,
  }
  const taken: Reply[] = []
  const deleted: Reply[] = []
  let looks = left * LOOKS_PER_CLAIM
  let cursor = '0-0'
  for (const mark of group.pending.range(parseStart(start), parseEnd('+'))) {
    if (looks === 0 || left === 0) {
      cursor = mark.text
      break
    }
    looks -= 1
    if (!stream.entries.has(mark.text)) {
      group.settle(mark.text)
      deleted.push(mark.text)
      left -= 1
      continue
    }
    const reply = take(mark, claim)
    if (reply === undefined) continue
    taken.push(reply)
    left -= 1
  }
  return [cursor, taken, deleted]
}

export const claimCommands: Commands = { XCLAIM: xclaim, XAUTOCLAIM: xautoclaim }
