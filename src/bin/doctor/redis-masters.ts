import type { Redis } from 'ioredis'
import { type Finding, findingsOf } from './finding.ts'

/** An entry of CLUSTER SLOTS: its first and last slot, its master, its replicas. A master without a name is the one asked. */
type SlotRange = [from: number, to: number, master: [host: string | null, port: number], ...replicas: unknown[]]

const SLOT_COUNT = 16_384

/** Each master of a cluster holds a part of the streams: `examine` looks at every one, and what is wrong names it. */
export async function examineMasters(
  area: string,
  seed: Redis,
  seedUrl: string,
  examine: (url: string) => Promise<Finding[]>,
): Promise<Finding[]> {
  const ranges = (await seed.call('CLUSTER', 'SLOTS')) as SlotRange[]
  const urls = [...new Set(ranges.map(([, , master]) => urlOf(seedUrl, master)))]
  const looks = await Promise.all(
    urls.map(async url => (await examine(url)).map(finding => ({ finding, address: new URL(url).host }))),
  )
  return [...slotFindings(area, ranges), ...merged(looks.flat(), urls.length)]
}

/** With the seed's user, password and TLS. */
function urlOf(seedUrl: string, [host, port]: SlotRange[2]): string {
  const url = new URL(seedUrl)
  if (host) url.hostname = host.includes(':') ? `[${host}]` : host
  url.port = String(port)
  return url.href
}

function slotFindings(area: string, ranges: readonly SlotRange[]): Finding[] {
  const served = ranges.reduce((sum, [from, to]) => sum + Number(to) - Number(from) + 1, 0)
  if (served === SLOT_COUNT) return []
  const detail = `${served} of ${SLOT_COUNT} slots have a master: promotions of the others wait`
  return [findingsOf(area).failed('cluster', detail, 'bring its nodes back, or give their slots to others')]
}

/** What is fine everywhere is said once. */
function merged(looks: readonly { finding: Finding; address: string }[], masterCount: number): Finding[] {
  const fine = new Map<string, Finding>()
  for (const { finding } of looks)
    if (finding.status === 'ok' && !fine.has(finding.check)) fine.set(finding.check, finding)
  const wrong = looks.filter(({ finding }) => finding.status !== 'ok')
  const isWrong = (check: string) => wrong.some(({ finding }) => finding.check === check)
  return [
    ...[...fine.values()]
      .filter(({ check }) => !isWrong(check))
      .map(finding => ({ ...finding, detail: `${finding.detail} (${masterCount} masters)` })),
    ...wrong.map(({ finding, address }) => ({ ...finding, detail: `${address}: ${finding.detail}` })),
  ]
}
