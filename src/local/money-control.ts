import { FAULT_KINDS, isFaultKind } from './money-faults.ts'
import type { MoneySettings, Refusal } from './money-simulator.ts'

/** What may be set while it runs: the settings, and whether every request is kept. */
export type MoneyControl = MoneySettings & { recordRequests: boolean }

const CHECKS: { [Name in keyof MoneyControl]: (value: unknown) => boolean } = {
  latencyMs: value => isNumberWithin(value, 0, 600_000),
  faultPercent: value => isNumberWithin(value, 0, 100),
  lookupFaultPercent: value => isNumberWithin(value, 0, 100),
  seed: value => isNumberWithin(value, 0, 2 ** 32 - 1),
  faults: value => Array.isArray(value) && value.every(isFaultKind),
  down: isBoolean,
  refuseCredentials: isBoolean,
  dedup: isBoolean,
  recordRequests: isBoolean,
  refuse: value => value === null || isRefusal(value),
}

/** The settings in a JSON text, or what is wrong with them. Names that it does not carry stay as they are. */
export function parseControl(text: string): Partial<MoneyControl> | string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'the settings are not JSON'
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'the settings are not an object'
  for (const [name, setting] of Object.entries(value)) {
    const check = Object.hasOwn(CHECKS, name) ? CHECKS[name as keyof MoneyControl] : undefined
    if (check === undefined) return `unknown setting ${name}; there are ${Object.keys(CHECKS).join(', ')}`
    if (!check(setting)) return `${name} cannot be ${JSON.stringify(setting)}${hint(name)}`
  }
  return value
}

function hint(name: string): string {
  if (name === 'faults') return `; known are ${FAULT_KINDS.join(', ')}`
  return name === 'refuse' ? '; it is null or {"status": 400 | 404 | 422, "keys": […], "percent": 0 … 100}' : ''
}

function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean'
}

function isNumberWithin(value: unknown, lowest: number, highest: number): boolean {
  return typeof value === 'number' && value >= lowest && value <= highest
}

function isRefusal(value: unknown): boolean {
  const { status, keys = [], percent = 0 } = value as { [Name in keyof Refusal]?: unknown }
  const keysOk = Array.isArray(keys) && keys.every(key => typeof key === 'string')
  return [400, 404, 422].includes(status as number) && keysOk && isNumberWithin(percent, 0, 100)
}
