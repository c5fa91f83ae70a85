import type { Scenario } from '../scenario.ts'
import { bare } from './bare.ts'
import { bound } from './bound.ts'
import { clock } from './clock.ts'
import { cluster } from './cluster.ts'
import { crashPoints } from './crash-points.ts'
import { fairness } from './fairness.ts'
import { forbidden } from './forbidden.ts'
import { frozen } from './frozen.ts'
import { insertKills } from './insert-kills.ts'
import { kafka } from './kafka.ts'
import { kills } from './kills.ts'
import { listenersComeAndGo } from './listeners-come-and-go.ts'
import { longTransaction } from './long-transaction.ts'
import { moneyDown } from './money-down.ts'
import { moneyFaults, noDedup } from './money-faults.ts'
import { moneySystemic } from './money-systemic.ts'
import { oddMessages } from './odd-messages.ts'
import { postgres } from './postgres.ts'
import { redisCut } from './redis-cut.ts'
import { redisLoss } from './redis-loss.ts'
import { redisMemory } from './redis-memory.ts'
import { redisSilent } from './redis-silent.ts'
import { sigterm } from './sigterm.ts'
import { soak } from './soak.ts'
import { streamFailover } from './stream-failover.ts'
import { streamKills } from './stream-kills.ts'

/** Every fault that can be done on one machine without containers, by the name that `--scenario` takes. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  kills,
  'crash-points': crashPoints,
  'insert-kills': insertKills,
  frozen,
  sigterm,
  postgres,
  kafka,
  bare,
  'money-faults': moneyFaults,
  'no-dedup': noDedup,
  forbidden,
  'redis-cut': redisCut,
  'odd-messages': oddMessages,
  'redis-loss': redisLoss,
  'redis-memory': redisMemory,
  'redis-silent': redisSilent,
  cluster,
  'money-down': moneyDown,
  'money-systemic': moneySystemic,
  'listeners-come-and-go': listenersComeAndGo,
  bound,
  clock,
  fairness,
  'long-transaction': longTransaction,
  'stream-kills': streamKills,
  'stream-failover': streamFailover,
  soak,
}

/** What every change is tried with, and how many gifts each gets: minutes, not hours. */
export const QUICK: Readonly<Record<string, number>> = {
  kills: 2000,
  'crash-points': 480,
  'insert-kills': 250,
  'redis-loss': 2000,
}
