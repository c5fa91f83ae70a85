import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { START, type Variant } from './connection-variants.ts'

/**
 * The measured process of `connections.ts`. Arguments: variant, URL, stream, jobs, slots. Prints seconds from the first
 * handler's begin to the last one's end, and the CPU-seconds of this process for them.
 */
const JOB_MS = 50
/** One call in twenty is slow: a call that waits behind a slow neighbour shows. */
const SLOW_EVERY = 20
const SLOW_MS = 500

const [variant, url = '', stream = '', jobs, slots] = process.argv.slice(2) as [Variant, ...string[]]
const count = Number(jobs)
const all = Promise.withResolvers<void>()
let [begun, done, beganAtMs] = [0, 0, 0]
const handle = async () => {
  if (begun++ === 0) beganAtMs = performance.now()
  await sleep(begun % SLOW_EVERY === 0 ? SLOW_MS : JOB_MS)
  if (++done === count) all.resolve()
}
const cpu = process.cpuUsage()
await START[variant]({ url, stream, slots: Number(slots), handle })
await all.promise
const seconds = (performance.now() - beganAtMs) / 1000
const { user, system } = process.cpuUsage(cpu)
process.stdout.write(`${JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6 })}\n`)
process.exit(0)
