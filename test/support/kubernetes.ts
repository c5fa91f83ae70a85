import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { adminSchema, cliSchema, listenerSchema, migrateSchema, workerSchema } from '#config/schemas.ts'
import { type KubernetesObject, kustomize, objectOf, readObjects } from './kustomize.ts'

/** What of a pod the tests ask about. */
export interface Container {
  name: string
  image: string
  args: string[]
  env?: { name: string; value: string }[]
  envFrom: { configMapRef: { name: string } }[]
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[]
  ports?: { name: string; containerPort: number }[]
  [probe: `${string}Probe`]: {
    httpGet: { path: string; port: string }
    timeoutSeconds: number
    periodSeconds: number
    failureThreshold: number
  }
}

export interface Pod {
  containers: Container[]
  volumes: { name: string; secret?: { secretName: string; items?: { key: string }[] }; emptyDir?: object }[]
  terminationGracePeriodSeconds: number
}

export const SCHEMAS = {
  listener: listenerSchema,
  worker: workerSchema,
  admin: adminSchema,
  migrate: migrateSchema,
  audit: cliSchema,
}
export const PROCESSES = ['listener', 'worker', 'admin'] as const
export const SECRETS = '/run/secrets/'

export const OVERLAYS = ['staging', 'production'] as const
type Overlay = (typeof OVERLAYS)[number]

/** The objects of both overlays, and the example of the Secrets that they mount. */
export function readOverlays() {
  const built = OVERLAYS.map(name => [name, kustomize(`docker/k8s/overlays/${name}`)] as const)
  const overlays = Object.fromEntries(built) as Record<Overlay, KubernetesObject[]>
  return { overlays, production: overlays.production, examples: readObjects('docker/k8s/secrets.example.yaml') }
}

export const POD_KINDS = ['Deployment', 'Job', 'CronJob']
export const podOf = ({ kind, spec }: KubernetesObject): Pod =>
  (kind === 'CronJob' ? spec.jobTemplate.spec : spec).template.spec

/** The example's Secrets as files, so that a pod's settings can be loaded; `remove` when done. */
export function writeSecrets(examples: readonly KubernetesObject[]) {
  const folder = mkdtempSync(join(tmpdir(), 'promostream-secrets-'))
  for (const { metadata, stringData = {} } of examples)
    for (const [key, value] of Object.entries(stringData)) writeFileSync(join(folder, `${metadata.name}-${key}`), value)
  return { folder, remove: () => rmSync(folder, { recursive: true }) }
}

/** The environment of a pod's process, its secrets from that folder. */
export function environmentOf(objects: readonly KubernetesObject[], pod: Pod, secrets: string): Record<string, string> {
  const container = pod.containers[0]!
  const settings = container.envFrom.map(({ configMapRef }) => objectOf(objects, 'ConfigMap', configMapRef.name).data)
  const own = (container.env ?? []).map(({ name, value }) => [name, value.replace(SECRETS, `${secrets}/`)])
  const paths = own.map(([name, value]) => [name!, value!.replace(/\/(\w+)$/, '-$1')])
  return Object.assign({}, ...settings, Object.fromEntries(paths))
}
