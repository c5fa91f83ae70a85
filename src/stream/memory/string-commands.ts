import type { Commands } from './command.ts'
import type { Keyspace } from './keyspace.ts'
import { integer, refusal } from './refusal.ts'

/** SET key value [NX] [EX seconds | PX ms]. */
function set(keys: Keyspace, [key = '', value = '', ...options]: string[]): string | null {
  keys.assertRoom()
  let expiresAtMs: number | undefined
  let isOnlyNew = false
  for (let at = 0; at < options.length; at++) {
    const option = options[at]?.toUpperCase()
    if (option === 'NX') isOnlyNew = true
    else if (option === 'EX' || option === 'PX') {
      at += 1
      expiresAtMs = keys.nowMs + integer(options[at]) * (option === 'EX' ? 1000 : 1)
    } else throw refusal('ERR syntax error')
  }
  if (isOnlyNew && keys.has(key)) return null
  keys.setText(key, value, expiresAtMs)
  return 'OK'
}

function incrby(keys: Keyspace, [key = '', by]: string[]): number {
  keys.assertRoom()
  const sum = integer(keys.text(key) ?? '0') + integer(by)
  keys.setText(key, String(sum), keys.expiresAtMs(key))
  return sum
}

function pttl(keys: Keyspace, [key = '']: string[]): number {
  if (!keys.has(key)) return -2
  const atMs = keys.expiresAtMs(key)
  return atMs === undefined ? -1 : atMs - keys.nowMs
}

function textOrNull(keys: Keyspace, key: string): string | null {
  try {
    return keys.text(key) ?? null
  } catch {
    return null
  }
}

const countOf = (names: string[], test: (name: string) => boolean) => names.filter(test).length

export const stringCommands: Commands = {
  PING: () => 'PONG',
  SET: set,
  GET: (keys, [key = '']) => keys.text(key) ?? null,
  MGET: (keys, names) => names.map(key => textOrNull(keys, key)),
  DEL: (keys, names) => countOf(names, key => keys.delete(key)),
  UNLINK: (keys, names) => countOf(names, key => keys.delete(key)),
  EXISTS: (keys, names) => countOf(names, key => keys.has(key)),
  INCRBY: incrby,
  PTTL: pttl,
  EXPIRE: (keys, [key = '', seconds]) => Number(keys.expire(key, keys.nowMs + integer(seconds) * 1000)),
}
