import type { CodedError } from '#runtime/errors.ts'
import { say } from '../../support/chaos.ts'
import { nextGroup } from '../next-group.ts'
import type { Scenario } from '../scenario.ts'

const mostKills = 100
const leastGiftsAKill = 50
/** So many kills find one batch before its insert. */
const killsABeforeInsert = 5

/** Kills a listener between insert and XADD, now and then before the insert, again and again, while two workers pay: every row is paid, once. */
export const insertKills: Scenario = {
  about: 'a listener killed between insert and XADD, or before the insert, again and again',
  messages: 10_000,
  run: async ({ messages, random, start }) => {
    const kills = Math.max(1, Math.min(mostKills, Math.round(messages / leastGiftsAKill)))
    const gifts = Math.round(messages / kills)
    const system = await start()
    await Promise.all([system.child('worker'), system.child('worker')])

    let group = 'chaos-0'
    let [killed, killsWithRows] = [0, 0]
    for (let kill = 1; kill <= kills; kill++) {
      const promotion = await system.plan(gifts, kill % 2 === 0 ? 'VOUCHER' : 'POINT')
      await system.run(promotion)
      await system.publish(promotion)
      const killAt = 1 + Math.floor(random.next() * leastGiftsAKill)
      const isBeforeInsert = kill % killsABeforeInsert === 0
      const crashAt = isBeforeInsert ? 'after-poll' : `after-insert:${killAt}`
      if (!isBeforeInsert) killsWithRows += 1
      const env = { KAFKA_GROUP_ID: group, PROMOSTREAM_CRASH_AT: crashAt }
      const end = await system.child('listener', env, '../chaos/build/listener.ts').then(
        child => child.ended,
        error => {
          // It met its gift before anyone saw that it was ready.
          if ((error as CodedError).code === 'CHILD_ENDED') return 'SIGKILL' as const
          throw error
        },
      )
      if (end === 'SIGKILL') killed += 1
      // A listener calls nobody.
      system.struck(0)
      system.killsInFlight += 1
      group = await nextGroup(system, group, `chaos-${kill}`)
      if (kill % 10 === 0) say(`kill ${kill}/${kills}`)
    }
    await system.child('listener', { KAFKA_GROUP_ID: group })
    system.groupId = group
    await system.drain()
    const requeued = system.requeued()
    return {
      figures: { requeued },
      checks: { everyKillMet: killed === kills, rowsWereLeft: requeued >= killsWithRows },
    }
  },
}
