import { assertObject, assertPositive } from './option-checks.ts'

/** How many dead letters are kept, and for how long; as BullMQ's `removeOnFail` has it. The oldest go first. */
export interface LetterBounds {
  /** Most dead letters on the stream of them. Default 100,000. */
  count?: number
  /** Longest time one is kept, in s. Default: no bound. */
  age?: number
}

/** With what is not said filled in. */
export interface ResolvedLetterBounds {
  /** Infinity: all are kept. */
  count: number
  ageSeconds: number | undefined
}

/** Of who says nothing: a memory that cannot fill by a bug of one handler. */
const DEFAULT_COUNT = 100_000

/** Throws a TypeError that names what is wrong. */
export function letterBoundsOf(value: number | false | LetterBounds | undefined): ResolvedLetterBounds {
  if (value === false) return { count: Number.POSITIVE_INFINITY, ageSeconds: undefined }
  if ((value as unknown) === true)
    throw new TypeError('removeOnFail must not be true, which would lose what failed: give { count, age }, or a count')
  if (typeof value === 'number') {
    assertPositive('removeOnFail', value)
    return { count: value, ageSeconds: undefined }
  }
  if (value !== undefined) assertObject('removeOnFail', value)
  const { count, age } = value ?? {}
  if (count !== undefined) assertPositive('removeOnFail.count', count)
  if (age !== undefined) assertPositive('removeOnFail.age', age)
  return { count: count ?? DEFAULT_COUNT, ageSeconds: age }
}
