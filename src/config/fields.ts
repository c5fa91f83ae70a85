import { z } from 'zod'

/** Building blocks of the schemas: each turns the text of one variable into a value, or says what is wrong with it. */

const MAX_TIMER_MS = 2 ** 31 - 1

export const text = z.string().min(1, 'must not be empty')

export function integer(minimum: number, maximum: number) {
  const complaint = `must be a whole number from ${minimum} to ${maximum}`
  return z
    .string()
    .regex(/^\d{1,15}$/, complaint)
    .transform(Number)
    .pipe(z.number().min(minimum, complaint).max(maximum, complaint))
}

export const countOrNone = integer(0, 1_000_000_000)
export const durationMs = integer(1, MAX_TIMER_MS)
export const durationMsOrNone = integer(0, MAX_TIMER_MS)
/** 0 lets the system choose a free one (tests). */
export const port = integer(0, 65_535)

export const flag = z.enum(['true', 'false'], 'must be true or false').transform(value => value === 'true')

export function url(...protocols: string[]) {
  const complaint = `must be a URL that begins with ${protocols.map(protocol => `${protocol}://`).join(' or ')}`
  return z.string().refine(value => {
    const parsed = URL.parse(value)
    return parsed !== null && protocols.includes(parsed.protocol.slice(0, -1)) && parsed.hostname !== ''
  }, complaint)
}

export const list = text.transform(value =>
  value
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== ''),
)

export const brokers = list.refine(
  items => items.length > 0 && items.every(item => /^[^\s:/]+:\d{1,5}$|^\[[^\]]+\]:\d{1,5}$/.test(item)),
  'must be a comma separated list of host:port',
)
