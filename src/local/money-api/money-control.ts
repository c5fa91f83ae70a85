import { FAULT_KINDS, isFaultKind } from './money-faults.ts'
import { INSTEAD_KINDS, isInsteadKind } from './money-instead.ts'
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
  instead: value => value === null || isInsteadKind(value),
  forbid: value => value === null || isSelection(value),
  tellsAmount: isBoolean,
  knee: value => isNumberWithin(value, 0, 1_000_000),
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
  if (name === 'instead') return `; it is null or one of ${INSTEAD_KINDS.join(', ')}`
  if (name === 'forbid') return '; it is null or {"keys": […], "percent": 0 … 100}'
  return name === 'refuse' ? '; it is null or {"status": 400 | 404 | 422, "keys": […], "percent": 0 … 100}' : ''
}

function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean'
}

function isNumberWithin(value: unknown, lowest: number, highest: number): boolean {
  return typeof value === 'number' && value >= lowest && value <= highest
}

function isRefusal(value: unknown): boolean {
  return [400, 404, 422].includes((value as Partial<Refusal>).status as number) && isSelection(value)
}

function isSelection(value: unknown): boolean {
  const { keys = [], percent = 0 } = value as { keys?: unknown; percent?: unknown }
  return Array.isArray(keys) && keys.every(key => typeof key === 'string') && isNumberWithin(percent, 0, 100)
}
