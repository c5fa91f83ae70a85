import { readFileSync } from 'node:fs'
import { type CollectionTag, parse, type ScalarTag } from 'yaml'

/** As much of a Compose service as the tests ask about. */
export interface ComposeService {
  image: string
  build?: { context: string; dockerfile: string }
  entrypoint?: string[]
  command?: string[]
  environment?: Record<string, string>
  ports?: string[]
  volumes?: string[]
  profiles?: string[]
  healthcheck?: { test?: string[]; disable?: boolean }
  depends_on?: Record<string, { condition: string }>
  read_only?: boolean
  cap_drop?: string[]
  restart?: string
  stop_grace_period?: string
  deploy?: { replicas: number }
}

export interface ComposeFile {
  services: Record<string, ComposeService>
  volumes?: Record<string, unknown>
}

/** Compose's own tags say how two files are put together; what they stand on is read as it is. */
const TAGS = ['!override', '!reset'].flatMap((tag): (CollectionTag | ScalarTag)[] => [
  { tag, collection: 'map' } as CollectionTag,
  { tag, collection: 'seq' } as CollectionTag,
])

export function readCompose(path: string): ComposeFile {
  return parse(readFileSync(path, 'utf8'), { merge: true, customTags: TAGS as never }) as ComposeFile
}

/** `${NAME:-default}` and `${NAME:?complaint}` of a text, by name. */
export function variablesIn(text: string): { name: string; isDemanded: boolean }[] {
  return [...text.matchAll(/\$\{(\w+)(:[?-])?/g)].map(([, name, how]) => ({
    name: name ?? '',
    isDemanded: how === ':?',
  }))
}
