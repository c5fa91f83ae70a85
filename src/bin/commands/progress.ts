import { Presets, SingleBar } from 'cli-progress'
import type { AuditProgress } from '#promotion/audit/report.ts'

export type Progress = AuditProgress

/** A bar a phase on stderr, where that is a terminal; nothing elsewhere. */
export function createProgress(): Progress {
  if (!process.stderr.isTTY) return { begin: () => undefined, advance: () => undefined, end: () => undefined }
  let bar: SingleBar | undefined
  return {
    begin: (what, total) => {
      const format =
        total === 0
          ? `${what.padEnd(8)} {value}`
          : `${what.padEnd(8)} {bar} {percentage}%  {value}/{total}  ETA {eta_formatted}`
      bar = new SingleBar({ format, stream: process.stderr, hideCursor: true, etaBuffer: 20 }, Presets.shades_classic)
      bar.start(total, 0)
    },
    advance: count => bar?.increment(count),
    end: () => bar?.stop(),
  }
}
