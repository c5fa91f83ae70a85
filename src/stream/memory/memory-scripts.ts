import { replayLetters as replayLettersScript, trimLetters as trimLettersScript } from '../letter-scripts.ts'
import * as scripts from '../scripts.ts'
import type { Command, Reply } from './command.ts'
import { groupCommands } from './group-commands.ts'
import type { Keyspace } from './keyspace.ts'
import { streamCommands } from './stream-commands.ts'
import { compareIds, parseId } from './stream-id.ts'
import { stringCommands } from './string-commands.ts'

/** The framework's scripts, and its rate limiter's, by their names: each the same calls as its Lua, in one step. */

const COMMANDS = { ...stringCommands, ...streamCommands, ...groupCommands }

function call(keys: Keyspace, name: string, ...args: (string | number)[]): Reply {
  return (COMMANDS[name] as Command)(keys, args.map(String))
}

const named = (info: Reply): Record<string, Reply> => {
  const flat = info as Reply[]
  return Object.fromEntries(flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] as Reply]] : [])))
}

const addBulk: Command = (keys, [key = '', bound = '', ...rest]) => {
  const ids: Reply[] = []
  const trim = bound === '0' ? [] : ['MAXLEN', '~', bound]
  for (let at = 0; at < rest.length; ) {
    const count = Number(rest[at])
    try {
      ids.push(call(keys, 'XADD', key, ...trim, '*', ...rest.slice(at + 1, at + 1 + count)))
    } catch (error) {
      return [ids, (error as Error).message]
    }
    at += count + 1
  }
  return [ids, '']
}

/** Deletes acknowledged entries, but none that another group may still need; returns how many other groups there are. */
function deleteAcknowledged(
  keys: Keyspace,
  key: string,
  group: string,
  ids: readonly string[],
  stretches: readonly string[] = [],
  inside = 0,
): number {
  if (call(keys, 'EXISTS', key) === 0) return 0
  const groups = (call(keys, 'XINFO', 'GROUPS', key) as Reply[]).map(named)
  const own = groups.find(({ name }) => name === group)
  const others = groups.filter(({ name }) => name !== group)
  let left = ids
  if (others.length === 0 && own !== undefined && inside > 0) {
    let isDropped = true
    for (let at = 0; at < stretches.length; at += 2)
      isDropped = drop(keys, key, own, stretches.slice(at, at + 2)) && isDropped
    if (isDropped) left = ids.slice(inside)
  }
  const free = left.filter(id =>
    others.every(({ name, 'last-delivered-id': last }) => {
      const wasGiven = compareIds(parseId(String(last)), parseId(id)) >= 0
      return wasGiven && (call(keys, 'XPENDING', key, String(name), id, id, 1) as Reply[]).length === 0
    }),
  )
  if (free.length > 0) call(keys, 'XDEL', key, ...free)
  return others.length
}

const isBefore = (left: Reply | undefined, right: string) => compareIds(parseId(String(left)), parseId(right)) < 0

/** A stretch of acknowledged entries at the stream's beginning. */
function drop(
  keys: Keyspace,
  key: string,
  own: Record<string, Reply>,
  [from = '', to = '']: readonly string[],
): boolean {
  const [first] = call(keys, 'XRANGE', key, '-', '+', 'COUNT', 1) as [string, Reply][]
  if (first === undefined || isBefore(first[0], from) || isBefore(own['last-delivered-id'], to)) return false
  if ((call(keys, 'XPENDING', key, String(own.name), '-', to, 1) as Reply[]).length > 0) return false
  const entries = call(keys, 'XRANGE', key, '-', to) as [string, Reply][]
  call(keys, 'XDEL', key, to, ...entries.map(([id]) => id))
  return true
}

const ackDelete: Command = (keys, [key = '', group = '', ends = '', inside = '', ...rest]) => {
  const ids = rest.slice(Number(ends))
  call(keys, 'XACK', key, group, ...ids)
  return deleteAcknowledged(keys, key, group, ids, rest.slice(0, Number(ends)), Number(inside))
}

const ownerOf = (keys: Keyspace, key: string, group: string, id: string) =>
  (call(keys, 'XPENDING', key, group, id, id, 1) as [string, string, number, number][])[0]

const ackOwned: Command = (keys, [key = '', group = '', consumer = '', id = '']) => {
  if (ownerOf(keys, key, group, id)?.[1] !== consumer) return 0
  call(keys, 'XACK', key, group, id)
  deleteAcknowledged(keys, key, group, [id])
  return 1
}

function countAfter(asked: string, now: number): number {
  if (asked === '') return now
  const most = Number(asked.replace(/^[+-]/, ''))
  if (asked.startsWith('+')) return Math.min(most, now + 1)
  return asked.startsWith('-') ? Math.max(0, Math.min(most, now - 1)) : most
}

const renewOwned: Command = (keys, [key = '', group = '', consumer = '', idleMs = '', ...pairs]) => {
  const owned: Reply[] = []
  for (let at = 0; at < pairs.length; at += 2) {
    const [id = '', asked = ''] = pairs.slice(at, at + 2)
    const [, owner, , now = 0] = ownerOf(keys, key, group, id) ?? []
    if (owner !== consumer) continue
    const count = countAfter(asked, now)
    call(keys, 'XCLAIM', key, group, consumer, 0, id, 'IDLE', idleMs, 'RETRYCOUNT', count, 'JUSTID')
    owned.push(id, count)
  }
  return owned
}

const forgive: Command = (keys, [key = '', group = '', ...ids]) => {
  for (const id of ids) {
    const [, owner = '', idleMs = 0, count = 0] = ownerOf(keys, key, group, id) ?? []
    if (count > 0) call(keys, 'XCLAIM', key, group, owner, 0, id, 'IDLE', idleMs, 'RETRYCOUNT', count - 1, 'JUSTID')
  }
  return 1
}

const removeDeadConsumers: Command = (keys, [key = '', group = '', own, silentMs]) => {
  let removed = 0
  for (const info of call(keys, 'XINFO', 'CONSUMERS', key, group) as Reply[]) {
    const { name, pending, idle, inactive } = named(info)
    const isDead = pending === 0 && name !== own && Math.max(Number(idle), Number(inactive)) >= Number(silentMs)
    if (!isDead || removed >= 100) continue
    call(keys, 'XGROUP', 'DELCONSUMER', key, group, String(name))
    removed += 1
  }
  return removed
}

const removeConsumer: Command = (keys, [key = '', group = '', consumer = '']) => {
  const pending = call(keys, 'XPENDING', key, group, '-', '+', 1, consumer) as Reply[]
  if (pending.length > 0) return 0
  call(keys, 'XGROUP', 'DELCONSUMER', key, group, consumer)
  return 1
}

const trimAcknowledged: Command = (keys, [key = '', name = '', most = '']) => {
  if (call(keys, 'EXISTS', key) === 0) return 0
  const groups = call(keys, 'XINFO', 'GROUPS', key) as Reply[]
  const group = named(groups[0] ?? [])
  if (groups.length !== 1 || group.name !== name) return 0
  const [count, oldest] = call(keys, 'XPENDING', key, name) as [number, string]
  const last = count > 0 ? `(${oldest}` : String(group['last-delivered-id'])
  const entries = call(keys, 'XRANGE', key, '-', last, 'COUNT', most) as [string, Reply][]
  if (entries.length > 0) call(keys, 'XDEL', key, ...entries.map(([id]) => id))
  return entries.length
}

const removeStream: Command = (keys, [key = '', name = '']) => {
  if (call(keys, 'EXISTS', key) === 0) return 1
  if (call(keys, 'XLEN', key) !== 0) return 0
  const groups = call(keys, 'XINFO', 'GROUPS', key) as Reply[]
  if (groups.length > 1) return 0
  if (groups.length === 1 && (call(keys, 'XPENDING', key, name) as [number])[0] > 0) return 0
  call(keys, 'DEL', key)
  return 1
}

const trimLetters: Command = (keys, [key = '', count = '', oldest = '', seconds = '', most = '']) => {
  const excess = Number(count) < 0 ? 0 : Number(call(keys, 'XLEN', key)) - Number(count)
  const old = oldest === '' ? [] : (call(keys, 'XRANGE', key, '-', `(${oldest}`, 'COUNT', most) as Reply[])
  const letters =
    excess > old.length
      ? (call(keys, 'XRANGE', key, '-', '+', 'COUNT', Math.min(excess, Number(most))) as Reply[])
      : old
  if (letters.length > 0) call(keys, 'XDEL', key, ...(letters as [string, Reply][]).map(([id]) => id))
  if (Number(seconds) > 0) call(keys, 'EXPIRE', key, seconds)
  return letters.length
}

const replayLetters: Command = (keys, [letters = '', stream = '', labels = '', ...ids]) => {
  const answers: Reply[] = []
  for (const id of ids) {
    const [letter] = call(keys, 'XRANGE', letters, id, id) as [string, string[]][]
    if (letter === undefined) {
      answers.push('')
      continue
    }
    try {
      answers.push(call(keys, 'XADD', stream, '*', ...letter[1].slice(0, letter[1].length - Number(labels))))
    } catch (error) {
      return [answers, (error as Error).message]
    }
    call(keys, 'XDEL', letters, id)
  }
  return [answers, '']
}

/** The rate limiter's: counts, and starts the window with the first of it. */
const rlflxIncr: Command = (keys, [key = '', points = '', windowMs = '']) => {
  call(keys, 'SET', key, 0, 'PX', windowMs, 'NX')
  const consumed = call(keys, 'INCRBY', key, points)
  const ttlMs = call(keys, 'PTTL', key)
  if (ttlMs !== -1) return [consumed, ttlMs]
  call(keys, 'SET', key, consumed as number, 'PX', windowMs)
  return [consumed, Number(windowMs)]
}

export const MEMORY_SCRIPTS: Readonly<Record<string, Command>> = {
  [scripts.addBulk.name]: addBulk,
  [scripts.ackDelete.name]: ackDelete,
  [scripts.ackOwned.name]: ackOwned,
  [scripts.renewOwned.name]: renewOwned,
  [scripts.forgive.name]: forgive,
  [scripts.removeDeadConsumers.name]: removeDeadConsumers,
  [scripts.removeConsumer.name]: removeConsumer,
  [scripts.trimAcknowledged.name]: trimAcknowledged,
  [scripts.removeStream.name]: removeStream,
  [trimLettersScript.name]: trimLetters,
  [replayLettersScript.name]: replayLetters,
  rlflxIncr,
}
