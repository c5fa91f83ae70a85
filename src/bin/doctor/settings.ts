import type { Environment } from '#config/environment.ts'
import { loadConfig } from '#config/load.ts'
import { adminSchema, listenerSchema, workerSchema } from '#config/schemas.ts'
import { describeUnknownName, findUnknownNames } from '#config/unknown-names.ts'
import { errorLine } from '#runtime/errors.ts'
import { type Finding, findingsOf } from './finding.ts'

const SCHEMAS = { listener: listenerSchema, worker: workerSchema, admin: adminSchema }

/** Would each process take this environment? */
export function examineSettings(environment: Environment): Finding[] {
  const { ok, warning, failed } = findingsOf('settings')
  const processesByComplaint = new Map<string, string[]>()
  for (const [name, schema] of Object.entries(SCHEMAS)) {
    for (const complaint of complaintsOf(schema, environment))
      processesByComplaint.set(complaint, [...(processesByComplaint.get(complaint) ?? []), name])
  }
  const wrong = [...processesByComplaint].map(([complaint, names]) =>
    failed(names.join(', '), complaint, 'set it as docs/contract.md says, under «Environment»'),
  )
  const unknown = findUnknownNames(environment).map(found =>
    warning('names', describeUnknownName(found), 'correct the name, or remove the variable'),
  )
  const fine = wrong.length === 0 ? [ok('values', 'listener, worker and admin can start with them')] : []
  return [...fine, ...wrong, ...unknown]
}

function complaintsOf(schema: (typeof SCHEMAS)[keyof typeof SCHEMAS], environment: Environment): string[] {
  try {
    loadConfig(schema, environment)
    return []
  } catch (error) {
    return errorLine(error).split('; ')
  }
}
