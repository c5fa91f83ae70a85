import { errorLine } from '#runtime/errors.ts'

/** One thing that was looked at. `warning`: it works, and an operator should know. */
export interface Finding {
  /** What it is about: `settings`, `database`, `redis`, `streams`, `kafka`, `money-api`. */
  area: string
  check: string
  status: 'ok' | 'warning' | 'failed'
  /** What was found. */
  detail: string
  /** What to do about it. */
  todo?: string
}

/** Creates the findings of one area. */
export function findingsOf(area: string) {
  return {
    ok: (check: string, detail: string): Finding => ({ area, check, status: 'ok', detail }),
    warning: (check: string, detail: string, todo: string): Finding => ({
      area,
      check,
      status: 'warning',
      detail,
      todo,
    }),
    failed: (check: string, detail: string, todo: string): Finding => ({ area, check, status: 'failed', detail, todo }),
    /** What could not be asked: the reason, and what to do. */
    unknown: (check: string, error: unknown, todo: string): Finding => ({
      area,
      check,
      status: 'failed',
      detail: errorLine(error),
      todo,
    }),
  }
}

/** Runs `look`; an error that it did not foresee is a finding too. */
export async function orFailed(area: string, look: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look()
  } catch (error) {
    return [findingsOf(area).unknown('look', error, 'see the reason')]
  }
}
