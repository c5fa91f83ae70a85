import type { Verdict } from './run-world.ts'
import type { StoryLine } from './world.ts'

const MOST_LINES = 60
/** What is said more often than this, in the same words, says nothing new. */
const MOST_REPEATS = 2
/** What goes on all the time, and says nothing. */
const DULL = /^(streamRenewOwned|streamRemoveDeadConsumers|xpending|xgroup)\b/i

/** A world's story as a person reads it: who did what when, the dull and the long left out. */
export function storyOf({ story, plan, violations }: Verdict): string {
  const names = new Map<string, string>()
  const counts = new Map<string, number>()
  const isNew = ({ who, what }: StoryLine) => {
    const said = `${who} ${what}`.replaceAll(/\b\d{4,}\b/g, '')
    const count = (counts.get(said) ?? 0) + 1
    counts.set(said, count)
    return count <= MOST_REPEATS
  }
  const lines = story.filter(line => !DULL.test(line.what) && isNew(line)).map(line => tell(line, names))
  const [from, to] = [lines.slice(0, MOST_LINES / 2), lines.slice(MOST_LINES / 2)]
  const end = to.slice(-MOST_LINES / 2)
  const left = to.length - end.length
  const faults = plan.faults.map(({ kind, step }) => `${kind} at step ${step}`)
  return [
    `seed ${plan.seed}: ${plan.gifts} gifts, ${plan.workers} workers with ${plan.slots} slots; ${faults.join(', ')}${plan.killer === undefined ? '' : `; gift ${plan.killer} kills`}`,
    ...from,
    ...(left > 0 ? [`           … ${left} lines …`] : []),
    ...end,
    ...violations.map(violation => `           => ${violation}`),
  ].join('\n')
}

function tell({ atMs, who, what }: StoryLine, names: Map<string, string>): string {
  const short = what
    .replaceAll(/campaign-promotion-(\d+):voucher:stream/g, 'stream $1')
    .replaceAll(/ ?campaign-promotion-\d+-voucher-group/g, '')
    .replaceAll(/\S*?-\d+-[0-9a-f]{8}\b/g, name => {
      const known = names.get(name) ?? `consumer ${names.size + 1}`
      names.set(name, known)
      return known
    })
    .replaceAll(/\b18\d{8}(\d+-\d+)/g, '$1')
  return `${atMs.toFixed(2).padStart(10)} ${who}: ${short}`
}
