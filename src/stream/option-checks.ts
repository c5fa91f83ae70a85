/** Checks of options at the edge. Each throws a TypeError that names the option. */

/** Timers end here: a longer one would run at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

export function assertPositive(name: string, value: unknown): void {
  assertWhole(name, value, 1)
}

export function assertWhole(name: string, value: unknown, min: number, max = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return
  const range = max === Number.MAX_SAFE_INTEGER ? `from ${min} on` : `from ${min} to ${max}`
  throw new TypeError(`${name} must be a whole number ${range}, not ${shown(value)}`)
}

/** Of milliseconds, which a timer can wait. */
export function assertMs(name: string, value: unknown, min = 1): void {
  assertWhole(name, value, min, MAX_TIMER_MS)
}

/** Of whole seconds, which a timer can wait. */
export function assertSeconds(name: string, value: unknown): void {
  assertWhole(name, value, 1, Math.floor(MAX_TIMER_MS / 1000))
}

/** Text that names something in Redis: not empty, and such that it comes back as it was sent. */
export function assertName(name: string, value: unknown): void {
  if (typeof value !== 'string') throw new TypeError(`${name} must be a string, not ${shown(value)}`)
  if (value === '') throw new TypeError(`${name} must not be empty`)
  if (!value.isWellFormed()) throw new TypeError(`${name} must be well-formed Unicode`)
}

/** An entry's id, as Redis has it. */
export function assertId(name: string, value: unknown): void {
  if (typeof value === 'string' && /^\d{1,20}(-\d{1,20})?$/.test(value)) return
  throw new TypeError(`${name} must be an entry’s id, such as 1700000000000-0, not ${shown(value)}`)
}

export function assertBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw new TypeError(`${name} must be true or false, not ${shown(value)}`)
}

export function assertFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw new TypeError(`${name} must be a function, not ${shown(value)}`)
}

/** An object of options, or of whatever has parts. */
export function assertObject(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${name} must be an object, not ${shown(value)}`)
}

export function assertOneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (allowed.includes(value as string)) return
  throw new TypeError(`${name} must be ${allowed.map(each => `'${each}'`).join(' or ')}, not ${shown(value)}`)
}

/** The options that were given: one that is `undefined` was not. */
export function given<Options extends object>(options: Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options
}

/** For a message: short, and never what a string says, which may be a secret. */
function shown(value: unknown): string {
  if (typeof value === 'string') return value === '' ? 'an empty string' : 'a string'
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  if (value === null || value === undefined) return String(value)
  return Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
