import { assertNoneLeftOut, type LeftOutOf } from './left-out.ts'
import { JOB_OPTIONS } from './left-out-words.ts'

/** Options of one entry: none. Each of BullMQ's says what to use instead. */
export type AddOptions = LeftOutOf<typeof JOB_OPTIONS>

/** One of BullMQ's `addBulk`. */
export interface NamedData<Data, Name extends string> {
  /** The kind of job. */
  name: Name
  /** What the handler gets. */
  data: Data
  /** None: each of BullMQ's fails, with what to use instead. */
  opts?: AddOptions
}

/** With the name that it came with, if it came as BullMQ's do. Where names are not kept, text called `data` is a field. */
export function asNamed<Data, Name extends string>(
  entry: Data | NamedData<Data, Name>,
  keepsNames: boolean,
): { name: Name | undefined; data: Data } {
  const { name, data, opts, ...others } = (entry ?? {}) as NamedData<Data, Name>
  const hasOnlyThese = typeof name === 'string' && 'data' in (entry as object) && isEmpty(others)
  if (!hasOnlyThese || (!keepsNames && typeof data === 'string')) return { name: undefined, data: entry as Data }
  if (opts !== undefined) assertNoneLeftOut(opts, JOB_OPTIONS, '')
  return { name, data }
}

const isEmpty = (object: object) => Object.keys(object).length === 0
