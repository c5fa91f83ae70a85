import { realNowMs } from './virtual-time.ts'

// After the clock is ours: what these import must find it so.
const { parseArgs } = await import('node:util')
const { FAULT_KINDS, planOf } = await import('./plan.ts')
const { runWorld } = await import('./run-world.ts')
const { invariantOf, shrink } = await import('./shrink.ts')
const { storyOf } = await import('./story.ts')

/** Stories told of one run: the first failures are enough to begin with. */
const MOST_STORIES = 3

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '1000' },
    json: { type: 'boolean', default: false },
    /** Tells the story of every world, not only of those that fail. */
    story: { type: 'boolean', default: false },
    /** Ends with the first failure. */
    bail: { type: 'boolean', default: false },
    plant: { type: 'string', multiple: true, default: [] },
  },
})
const firstSeed = wholeNumber('seed', values.seed)
const runs = wholeNumber('runs', values.runs)
const plants = new Set(values.plant) as ReadonlySet<'last-write-wins'>
const say = (text: string) => void (values.json ? process.stderr : process.stdout).write(`${text}\n`)

function wholeNumber(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  process.stderr.write(`--${name} must be a whole number, not ${text}\n`)
  process.exit(2)
}

const startedAtMs = realNowMs()
const failures: { seed: number; violations: string[] }[] = []
const struck = new Map<string, number>(FAULT_KINDS.map(kind => [kind, 0]))
let [virtualMs, done] = [0, 0]
for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
  const verdict = await runWorld(planOf(seed, plants), values.story)
  done += 1
  virtualMs += verdict.tookMs
  for (const kind of verdict.struck) struck.set(kind, (struck.get(kind) ?? 0) + 1)
  const [violation] = verdict.violations
  if (values.story) say(storyOf(verdict))
  if (violation === undefined) continue
  failures.push({ seed, violations: verdict.violations })
  if (failures.length <= MOST_STORIES) {
    const least = await shrink(verdict.plan, invariantOf(violation))
    say(storyOf(await runWorld(least, true)))
  } else say(`seed ${seed}: ${verdict.violations.join('; ')}`)
  if (values.bail) break
}
const seconds = (realNowMs() - startedAtMs) / 1000
const summary = {
  seed: firstSeed,
  worlds: done,
  violations: failures.length,
  worldsPerSecond: Math.round(done / seconds),
  virtualHours: Math.round(virtualMs / 36_000) / 100,
  faults: Object.fromEntries(struck),
  failures,
}
if (values.json) process.stdout.write(`${JSON.stringify(summary)}\n`)
else say(`${done} worlds, ${failures.length} with a violation, ${summary.worldsPerSecond} a second`)
process.exit(failures.length > 0 ? 1 : 0)
