import { execFileSync } from 'node:child_process'
import { mkdtempSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { say } from '../../support/chaos.ts'
import { startTestRedis } from '../../support/redis.ts'
import type { Scenario } from '../scenario.ts'

/**
 * The clock of Redis jumps by an hour, forth and back, under load; nobody is paid twice and nothing is
 * stuck. The machine's clock stays as it is: a shim (clock-shim.c, made with `cc`) stands between Redis and it.
 */
export const clock: Scenario = {
  about: 'the clock of Redis jumps an hour forth and back, under load (needs `cc`)',
  messages: 20_000,
  run: async ({ messages, start }) => {
    const folder = mkdtempSync(join(tmpdir(), 'promostream-clock-'))
    const [shim, offsetFile] = [join(folder, 'clock-shim.so'), join(folder, 'offset')]
    execFileSync('cc', [
      '-O2',
      '-shared',
      '-fPIC',
      '-o',
      shim,
      fileURLToPath(new URL('./clock-shim.c', import.meta.url)),
    ])
    writeFileSync(offsetFile, new BigInt64Array([0n]))
    const file = openSync(offsetFile, 'r+')
    const setClock = (seconds: number) => writeSync(file, new BigInt64Array([BigInt(seconds)]), 0, 8, 0)
    const redis = await startTestRedis({}, { LD_PRELOAD: shim, CLOCK_SHIM_OFFSET: offsetFile })
    const system = await start({ servers: { REDIS_URL: redis.url, REDIS_STREAM_URL: redis.url } })
    await Promise.all([system.child('listener'), system.child('worker'), system.child('worker')])
    const jumps: number[] = []
    const pauseMs = 12_000
    for (const offset of [3600, -3600, 0, 3600, 0]) {
      const promotion = await system.plan(Math.ceil(messages / 5))
      await system.run(promotion)
      const publishing = system.publish(promotion)
      await system.until('work under way', async () => (await system.count(promotion)).SUCCESS > 50, 120_000, 20)
      setClock(offset)
      await publishing
      const from = Date.now()
      await system.until('some time', async () => Date.now() - from > pauseMs)
      const [second] = await system.redis.time()
      const seenSeconds = Number(second) - Math.round(Date.now() / 1000)
      jumps.push(seenSeconds)
      say(`clock of Redis ${offset} s: it says ${seenSeconds} s`)
    }
    system.onClose(() => redis.stop())
    return {
      figures: { jumps },
      checks: {
        clockMoved: Math.abs(jumps[0]! - 3600) < 5 && Math.abs(jumps[1]! + 3600) < 5,
      },
    }
  },
}
