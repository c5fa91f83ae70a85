import { closest, distance } from 'fastest-levenshtein'
import type { Environment } from './environment.ts'
import { SETTING_NAMES } from './schemas.ts'

/** A variable that looks like a setting of ours and is none. */
export interface UnknownName {
  name: string
  /** The setting whose name is nearest. */
  nearest: string
}

/** `KAFKA_`, `WORKER_`, …: what our settings begin with. */
const PREFIXES = new Set(SETTING_NAMES.map(prefixOf))

/** What Kubernetes sets in every pod for a Service that happens to be named `redis`, `kafka`, `worker`, …. */
const SERVICE_LINK = /_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$/
/** Of the embedded Kafka, which is no setting of a process. */
const OTHERS = new Set(['KAFKA_HOME'])
const MAX_SLIPS = 2

/** Variables that nobody reads although they look like ours: a mistyped name would otherwise be a default in silence. */
export function findUnknownNames(environment: Environment): UnknownName[] {
  const known = new Set(SETTING_NAMES)
  return Object.keys(environment)
    .filter(name => !known.has(name) && !OTHERS.has(name) && !isServiceLink(name, environment[name]))
    .map(name => ({ name, nearest: closest(name, SETTING_NAMES) }))
    .filter(({ name, nearest }) => PREFIXES.has(prefixOf(name)) || distance(name, nearest) <= MAX_SLIPS)
    .sort((one, two) => one.name.localeCompare(two.name))
}

function isServiceLink(name: string, value = ''): boolean {
  return SERVICE_LINK.test(name) || (name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value))
}

/** One line about it, for the log and for people. */
export function describeUnknownName({ name, nearest }: UnknownName): string {
  return `${name} is no setting and is not read: is ${nearest} meant?`
}

function prefixOf(name: string): string {
  return name.slice(0, name.indexOf('_') + 1)
}
