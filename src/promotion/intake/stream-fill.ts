/** What a process knows of the length of one stream, and what it has under way there itself. */
export interface StreamFill {
  length: number
  readAt: number
  /** When its length was last asked for. */
  askedAtMs: number
  reading: Promise<void> | undefined
  /** Places that were given and are not used yet. */
  admitted: number
  /** On their way to the stream. */
  adding: number
  addedSinceRead: number
}

export function unknownFill(): StreamFill {
  const never = Number.NEGATIVE_INFINITY
  const nothing = { admitted: 0, adding: 0, addedSinceRead: 0 }
  return { length: 0, readAt: never, askedAtMs: never, reading: undefined, ...nothing }
}

/** Places that are in no length that was read. */
export function usedOf({ admitted, adding, addedSinceRead }: StreamFill): number {
  return admitted + adding + addedSinceRead
}

/** Places within a share of what is free below `limit`: others fill the same stream, and what they have under way is in no length that we read. */
export function placesOf(fill: StreamFill, limit: number, share: number): number {
  return Math.max(0, Math.ceil((limit - fill.length) * share - usedOf(fill)))
}
