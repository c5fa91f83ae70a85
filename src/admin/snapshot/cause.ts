import type { Text } from '#admin/texts/texts.ts'

/** Why a promotion is not done yet, told apart; what explains others goes before them. `none`: nothing slows it down. */
export const BOTTLENECK_CODES = [
  'not-started',
  'paused',
  'stopped',
  'completed',
  'database-away',
  'redis-away',
  'no-worker',
  'credentials-refused',
  'breaker-open',
  'no-listener',
  'kafka-away',
  'money-failing',
  'retries-paused',
  'database-slow',
  'rate-limit',
  'money-slow',
  'slots',
  'kafka-lag',
  'starting',
  'only-retries',
  'unsettled',
  'waiting-for-gifts',
  'none',
] as const

export type BottleneckCode = (typeof BOTTLENECK_CODES)[number]

export interface Bottleneck {
  code: BottleneckCode
  /** `bad` asks for a person, `wait` passes by itself, `good` is as it should be. */
  level: 'good' | 'wait' | 'bad'
  text: Text
  /** ISO 8601; where it is not recorded, since this process has seen it. */
  since?: string
  /** It is told only while nothing is settled: every healthy promotion has so little of it now and then. */
  isSmall?: boolean
}

export const good = (code: BottleneckCode, text: Text): Bottleneck => ({ level: 'good', code, text })
export const wait = (code: BottleneckCode, text: Text): Bottleneck => ({ level: 'wait', code, text })
export const bad = (code: BottleneckCode, text: Text): Bottleneck => ({ level: 'bad', code, text })
