import type { Scenario } from '../scenario.ts'
import { bound } from './bound.ts'
import { clock } from './clock.ts'
import { fairness } from './fairness.ts'
import { insertKills } from './insert-kills.ts'
import { kills } from './kills.ts'
import { longTransaction } from './long-transaction.ts'
import { moneyDown } from './money-down.ts'
import { redisLoss } from './redis-loss.ts'
import { redisMemory } from './redis-memory.ts'
import { streamFailover } from './stream-failover.ts'
import { streamKills } from './stream-kills.ts'

/** Every fault that can be done on one machine without containers, by the name that `--scenario` takes. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  kills,
  'insert-kills': insertKills,
  'redis-loss': redisLoss,
  'redis-memory': redisMemory,
  'money-down': moneyDown,
  bound,
  clock,
  fairness,
  'long-transaction': longTransaction,
  'stream-kills': streamKills,
  'stream-failover': streamFailover,
}

/** What every change is tried with, and how many gifts each gets: minutes, not hours. */
export const QUICK: Readonly<Record<string, number>> = { kills: 2000, 'insert-kills': 250, 'redis-loss': 4000 }
