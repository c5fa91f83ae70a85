import { readdirSync, readFileSync } from 'node:fs'

/** Linux counts CPU in hundredths of a second. */
const TICKS_PER_SECOND = 100

/** CPU-seconds of a process and everything it started, ended children included. */
export function cpuSecondsOf(pid: number): number {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = Number(statOf(Number(name))?.[1])
    children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  let ticks = 0
  const open = [pid]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const fields = statOf(next)
    ticks += [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields?.[field] ?? 0), 0)
    open.push(...(children.get(next) ?? []))
  }
  return ticks / TICKS_PER_SECOND
}

/** The most memory that a process has had resident so far (VmHWM), in MiB; 0 when it has ended. */
export function peakRssMb(pid: number): number {
  try {
    const peak = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return Math.round(Number(peak?.[1] ?? 0) / 1024)
  } catch {
    return 0
  }
}

/** The fields of /proc/PID/stat behind the command's name: state, parent, … */
function statOf(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(') ') + 2).split(' ')
  } catch {
    return undefined
  }
}
