import { StreamError } from './errors.ts'

/** Most names and values of one entry: a server closes the connection on a command of 2^20 parts. */
const MAX_TEXTS = 2 ** 20 - 16
/** Longest name or value, in bytes of UTF-8: the server's own bound, beyond which it closes the connection. */
const MAX_TEXT_BYTES = 512 * 1024 * 1024
/** A UTF-16 unit is at most so many bytes of UTF-8. */
const BYTES_PER_UNIT = 3

/**
 * The fields as Redis takes them: name, value, name, value. Throws a StreamError `STREAM_BAD_FIELDS`, which names the field,
 * for everything that would not come out as it went in.
 */
export function flatFields(fields: Readonly<Record<string, string>>, where = 'the entry'): string[] {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields))
    throw bad(`${where} must be an object of strings`)
  const flat = Object.entries(fields).flat()
  if (flat.length === 0) throw bad(`${where} has no field`)
  if (flat.length > MAX_TEXTS) throw bad(`${where} has ${flat.length / 2} fields, more than a server takes`)
  for (let index = 0; index < flat.length; index += 2) {
    const [name, value] = [flat[index] as string, flat[index + 1]]
    if (typeof value !== 'string') throw bad(`field ${quoted(name)} of ${where} must be a string, not ${kind(value)}`)
    assertText(() => `the name ${quoted(name)} of a field of ${where}`, name)
    assertText(() => `field ${quoted(name)} of ${where}`, value)
  }
  return flat
}

function assertText(what: () => string, text: string): void {
  if (!text.isWellFormed()) throw bad(`${what()} must be well-formed Unicode: it holds half of a surrogate pair`)
  if (text.length * BYTES_PER_UNIT > MAX_TEXT_BYTES && Buffer.byteLength(text) > MAX_TEXT_BYTES)
    throw bad(`${what()} is longer than the 512 MiB that a server takes`)
}

function bad(message: string): StreamError {
  return new StreamError('STREAM_BAD_FIELDS', message)
}

function quoted(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name)
}

function kind(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}
