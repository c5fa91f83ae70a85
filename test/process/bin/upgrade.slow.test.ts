import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Child } from '#local/demo/children.ts'
import { checkOutOlderVersion, type OlderVersion } from '#test/support/older-version.ts'
import { kafkaMissing, uniqueId } from '#test/support/stack-env.ts'
import { giftJson, TestSystem } from '#test/support/system.ts'

const older = checkOutOlderVersion()
if (older === undefined)
  process.stderr.write('[upgrade] this checkout has no history: the older version is not tried\n')
const withBoth = kafkaMissing === undefined && older !== undefined ? describe : describe.skip
const RESTARTS = 10
const BATCH = 20
const BATCH_PAUSE_MS = 50

type Kind = 'listener' | 'worker'

/** Two listeners and two workers of the older version on this version's database, replaced under load, and back, and again. */
withBoth('a rolling restart between two versions', () => {
  let system: TestSystem
  beforeAll(async () => {
    system = await TestSystem.create()
  }, 60_000)
  afterAll(async () => {
    await system?.stop()
    older?.remove()
  }, 60_000)

  const start = (kind: Kind, version: OlderVersion | undefined) => system.start(kind, {}, version?.entry(kind))

  /** Publishes until it is told to stop; resolves with the targets. */
  function publishing(promotionId: string) {
    const targets: string[] = []
    let isStopped = false
    const publish = async () => {
      while (!isStopped) {
        const batch = Array.from({ length: BATCH }, () => String(uniqueId()))
        await system.publish(
          'VOUCHER',
          batch.map(targetId => giftJson('VOUCHER', { promotionId, targetId })),
          String(targets.length),
        )
        targets.push(...batch)
        await new Promise(resolve => setTimeout(resolve, BATCH_PAUSE_MS))
      }
      return targets
    }
    const published = publish()
    return {
      stop: () => {
        isStopped = true
        return published
      },
    }
  }

  test('ten restarts: every gift is paid once, none is lost, none is stuck', async () => {
    await system.control({ latencyMs: 30 })
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS', 1_000_000)
    const running: { kind: Kind; child: Child }[] = []
    for (const kind of ['listener', 'worker', 'listener', 'worker'] as const)
      running.push({ kind, child: await start(kind, older) })
    const load = publishing(id)
    const ends: (number | string | null)[] = []
    const paidAtRestart: number[] = []
    for (let round = 0; round < RESTARTS; round += 1) {
      const { kind, child } = running.shift()!
      await child.stop()
      ends.push(await child.ended)
      // The first four bring this version, the next four the older one again, the last two this one.
      const version = Math.floor(round / 4) % 2 === 0 ? undefined : older
      running.push({ kind, child: await start(kind, version) })
      paidAtRestart.push((await system.countByStatus(id, 'VOUCHER')).SUCCESS)
    }
    const targets = await load.stop()
    await system.until(
      'all paid',
      async () => (await system.countByStatus(id, 'VOUCHER')).SUCCESS === targets.length,
      120_000,
    )
    const charges = await system.charges(id)
    const posts = (await system.requests()).length
    process.stderr.write(
      `[upgrade] ${RESTARTS} restarts between two versions: ${targets.length} gifts, ${charges.length} charges, exit codes ${[...new Set(ends)]}; last ${posts} requests kept\n`,
    )
    expect(ends).toEqual(Array(RESTARTS).fill(0))
    // They paid all along, in both versions.
    for (const [index, paid] of paidAtRestart.entries()) expect(paid).toBeGreaterThan(paidAtRestart[index - 1] ?? 0)
    expect(charges.map(({ targetId }) => targetId).sort()).toEqual([...targets].sort())
    const { SUCCESS: success, ...others } = await system.countByStatus(id, 'VOUCHER')
    expect([success, Object.values(others).reduce((sum, count) => sum + count, 0)]).toEqual([targets.length, 0])
    await system.until('no lag', async () => (await system.lag('voucher', 'VOUCHER')) === 0)
    await system.until('nothing left on the stream', async () => {
      const [key] = await system.redis.keys(`*campaign-promotion-${id}:voucher:stream`)
      return key === undefined || (await system.redis.xlen(key)) === 0
    })
  }, 400_000)
})
