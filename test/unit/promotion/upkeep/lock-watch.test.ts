import { describe, expect, test } from '@jest/globals'
import { createLockWatch } from '#promotion/upkeep/lock-watch.ts'
import { createMetrics } from '#runtime/metrics.ts'

describe('a lock of upkeep that cannot be had for long', () => {
  test('is a line each five minutes, and a metric; one that comes round is not', async () => {
    let nowMs = 0
    const lines: string[] = []
    const metrics = createMetrics('test')
    const logger = { warn: (_fields: unknown, line: string) => lines.push(line) } as never
    const onLock = createLockWatch({ metrics, logger, now: () => nowMs })
    for (; nowMs <= 900_000; nowMs += 30_000) {
      onLock('sweep', false)
      onLock('completion', nowMs % 120_000 === 0)
    }
    expect(lines).toEqual([300, 600, 900].map(s => `the lock of upkeep's sweep round could not be had for ${s} s`))
    expect(await metrics.registry.metrics()).toMatch(/promostream_upkeep_lock_age_seconds\{round="sweep"[^}]*\} 930/)
    onLock('sweep', true)
    expect(await metrics.registry.metrics()).toMatch(/promostream_upkeep_lock_age_seconds\{round="sweep"[^}]*\} 0\n/)
  })
})
