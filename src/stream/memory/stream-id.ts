import { refusal } from './refusal.ts'

/** `{ms}-{sequence}`, as numbers: enough for every id that XADD makes by itself. */
export interface StreamId {
  ms: number
  seq: number
}

const LAST = Number.POSITIVE_INFINITY

export function idText({ ms, seq }: StreamId): string {
  return `${ms}-${seq}`
}

export function compareIds(left: StreamId, right: StreamId): number {
  return left.ms - right.ms || left.seq - right.seq
}

/** An id where it stands for itself; one without a sequence takes `missingSeq`. */
export function parseId(text: string, missingSeq = 0): StreamId {
  const found = /^(\d+)(?:-(\d+))?$/.exec(text)
  if (found === null) throw refusal('ERR Invalid stream ID specified as stream command argument')
  return { ms: Number(found[1]), seq: found[2] === undefined ? missingSeq : Number(found[2]) }
}

/** Lower end of a range: `-`, an id, or `(` and an id that is not part of it. */
export function parseStart(text: string): StreamId {
  if (text === '-') return { ms: 0, seq: 0 }
  if (text === '+') return { ms: LAST, seq: LAST }
  if (!text.startsWith('(')) return parseId(text)
  const { ms, seq } = parseId(text.slice(1))
  return { ms, seq: seq + 1 }
}

/** Upper end of a range: `+`, an id, or `(` and an id that is not part of it. */
export function parseEnd(text: string): StreamId {
  if (text === '+') return { ms: LAST, seq: LAST }
  if (text === '-') return { ms: 0, seq: 0 }
  if (!text.startsWith('(')) return parseId(text, LAST)
  const { ms, seq } = parseId(text.slice(1), LAST)
  return seq === 0 ? { ms: ms - 1, seq: LAST } : { ms, seq: seq - 1 }
}
