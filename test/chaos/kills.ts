import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { describeAccount, isBalanced } from '#demo/account.ts'
import type { Child } from '#demo/children.ts'
import { publishGifts } from '#demo/gifts.ts'
import { openInstallation } from './installation.ts'

/**
 * Kills a listener or a worker at random with SIGKILL, again and again, while gifts are paid by a Money API that fails;
 * then drains and takes the account. Exit code 0 only if nothing is lost, nothing is paid twice, and nothing is left.
 * `node test/chaos/kills.ts --messages 10000 --kills 20 --faults 10 --flushes 1`
 */
const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '10000' },
    kills: { type: 'string', default: '20' },
    faults: { type: 'string', default: '10' },
    flushes: { type: 'string', default: '0' },
  },
})
const [messages, kills, faults, flushes] = [values.messages, values.kills, values.faults, values.flushes].map(
  Number,
) as [number, number, number, number]
const say = (line: string) => process.stderr.write(`${line}\n`)

const installation = await openInstallation({ money: { latencyMs: 50, faultPercent: faults, seed: 7 }, say })
const { start } = installation
const children = new Map<Child, 'listener' | 'worker'>()
for (const kind of ['listener', 'worker', 'worker', 'worker'] as const) children.set(await start(kind), kind)

const promotions = await installation.plan(messages)
for (const { id, gifts } of promotions) await installation.repository.start(id, gifts)
const publishing = Promise.all(promotions.map(promotion => publishGifts(installation.events, promotion)))

const redis = new Redis(installation.env.REDIS_URL ?? '')
for (let kill = 1; kill <= kills; kill++) {
  await sleep(700)
  const victims = [...children.keys()]
  const victim = victims[Math.floor(Math.random() * victims.length)] as Child
  const kind = children.get(victim) as 'listener' | 'worker'
  process.kill(victim.pid, 'SIGKILL')
  await victim.ended
  children.delete(victim)
  if (kill <= flushes) await redis.flushall()
  say(`kill ${kill}/${kills}: ${victim.name}${kill <= flushes ? ' and FLUSHALL' : ''}`)
  children.set(await start(kind), kind)
}
redis.disconnect()
await publishing

const lastFaultAt = Date.now()
const account = await installation.drain(promotions, messages)
const drainedSeconds = Math.round((Date.now() - lastFaultAt) / 1000)
for (const line of describeAccount(account)) process.stdout.write(`${line}\n`)
const isGood = isBalanced(account)
process.stdout.write(
  `${kills} kills, ${flushes} FLUSHALLs; drained ${drainedSeconds} s after the last; ${isGood ? 'the account balances' : 'IT DOES NOT BALANCE'}\n`,
)
await Promise.all([...children.keys()].map(child => child.stop()))
await installation.close()
process.exitCode = isGood ? 0 : 1
