import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { CONTENDERS, type ContenderName } from './contenders.ts'

/**
 * The measured process: one worker on jobs that lie ready. Prints seconds from the first handler's begin to the last
 * one's end, and the CPU-seconds of this process for them. Arguments: contender, URL, queue, jobs, concurrency, ms of a job.
 */
const [contender, url, name, jobs, concurrency, jobMs] = process.argv.slice(2) as [
  ContenderName,
  ...[string, string, string, string, string],
]
const count = Number(jobs)
const pauseMs = Number(jobMs)
const all = Promise.withResolvers<void>()
let [begun, done, beganAtMs] = [0, 0, 0]

const finish = () => {
  done += 1
  if (done === count) all.resolve()
}
const begin = () => {
  if (begun === 0) beganAtMs = performance.now()
  begun += 1
}
const handle =
  pauseMs === 0
    ? async () => {
        begin()
        finish()
      }
    : async () => {
        begin()
        await sleep(pauseMs)
        finish()
      }

const cpu = process.cpuUsage()
const stop = await CONTENDERS[contender].consume(url, name, Number(concurrency), handle)
await all.promise
const seconds = (performance.now() - beganAtMs) / 1000
await stop()
const { user, system } = process.cpuUsage(cpu)
process.stdout.write(`${JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6 })}\n`)
process.exit(0)
