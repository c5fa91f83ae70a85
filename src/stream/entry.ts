/** One entry as a handler gets it. */
export interface StreamEntry<Fields extends Record<string, string> = Record<string, string>> {
  /** Redis's id, `{ms}-{sequence}`. */
  readonly id: string
  readonly stream: string
  readonly fields: Fields
  /** How many times it was handed to a consumer, this time included. */
  readonly deliveries: number
}

/**
 * Does the work of one entry; may be called more than once for it (at least once). `signal` aborts when a closing
 * worker has run out of time. A rejection counts a delivery and comes again after a back-off.
 */
export type StreamHandler<Fields extends Record<string, string> = Record<string, string>> = (
  entry: StreamEntry<Fields>,
  signal: AbortSignal,
) => Promise<HandlerResult> | HandlerResult

/** An Outcome, or whatever the handler has to tell who listens for `completed`. */
export type HandlerResult = unknown

/** An entry as the wire has it: id, and fields as a flat list; no list when it was deleted meanwhile. */
export type RawEntry = [id: string, fields: string[] | null]

const OWN = { configurable: true, enumerable: true, writable: true }

export function toEntry<Fields extends Record<string, string>>(
  stream: string,
  id: string,
  flat: readonly string[],
  deliveries: number,
): StreamEntry<Fields> {
  const fields: Record<string, string> = {}
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const name = flat[index] as string
    // Assigning to this one would set a prototype, or nothing.
    if (name === '__proto__') Object.defineProperty(fields, name, { ...OWN, value: flat[index + 1] })
    else fields[name] = flat[index + 1] as string
  }
  return { id, stream, fields: fields as Fields, deliveries }
}
