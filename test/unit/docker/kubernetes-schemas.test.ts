import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { ScaledObject, TriggerAuthentication } from '@kubernetes-models/keda/keda.sh/v1alpha1'
import {
  PodMonitor,
  PrometheusRule,
  ServiceMonitor,
} from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'
import { Deployment } from 'kubernetes-models/apps/v1'
import { CronJob, Job } from 'kubernetes-models/batch/v1'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { ConfigMap, Secret, Service, ServiceAccount } from 'kubernetes-models/v1'
import { readOverlays } from '#test/support/kubernetes.ts'
import { type KubernetesObject, objectOf } from '#test/support/kustomize.ts'

const KINDS = {
  ConfigMap: [ConfigMap, 'kubernetes-models/v1'],
  CronJob: [CronJob, 'kubernetes-models/batch/v1'],
  Deployment: [Deployment, 'kubernetes-models/apps/v1'],
  Job: [Job, 'kubernetes-models/batch/v1'],
  NetworkPolicy: [NetworkPolicy, 'kubernetes-models/networking.k8s.io/v1'],
  PodDisruptionBudget: [PodDisruptionBudget, 'kubernetes-models/policy/v1'],
  PodMonitor: [PodMonitor, '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'],
  PrometheusRule: [PrometheusRule, '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'],
  ScaledObject: [ScaledObject, '@kubernetes-models/keda/keda.sh/v1alpha1'],
  Secret: [Secret, 'kubernetes-models/v1'],
  Service: [Service, 'kubernetes-models/v1'],
  ServiceAccount: [ServiceAccount, 'kubernetes-models/v1'],
  ServiceMonitor: [ServiceMonitor, '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'],
  TriggerAuthentication: [TriggerAuthentication, '@kubernetes-models/keda/keda.sh/v1alpha1'],
} as const

const { overlays, production, examples } = readOverlays()
const SETS = { ...overlays, 'secrets.example': examples }

/** The errors of an object's published schema, and with it of fields that no schema knows: both are silent in a cluster. */
function schemaErrors(object: KubernetesObject): string[] {
  const [Model] = KINDS[object.kind as keyof typeof KINDS] ?? []
  if (Model === undefined) return [`no schema of ${object.kind}`]
  try {
    ;new (Model as unknown as new (data: object) => { validate(): void })(object).validate()
    return []
  } catch (error) {
    return [`${object.kind} ${object.metadata.name}: ${(error as Error).message}`]
  }
}

/** TypeScript refuses a literal's field that the published type has not: what it says of each set, all in one run. */
function unknownFields(sets: Readonly<Record<string, readonly KubernetesObject[]>>): Record<string, string> {
  const folder = mkdtempSync(join(import.meta.dirname, 'objects-'))
  const names = Object.keys(sets)
  const files = names.map(name => join(folder, `${name}.ts`))
  for (const [index, objects] of Object.values(sets).entries())
    writeFileSync(files[index]!, objects.map(asTypedLiteral).join('\n'))
  try {
    const errors = typeErrors(files)
    const of = (name: string) => errors.filter(line => line.includes(`/${name}.ts(`))
    expect(names.flatMap(of).sort()).toEqual(errors.sort())
    return Object.fromEntries(names.map(name => [name, of(name).join('\n')]))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function asTypedLiteral(object: KubernetesObject, index: number): string {
  const [, from] = KINDS[object.kind as keyof typeof KINDS]
  return `import type { I${object.kind} as I${index} } from '${from}'\nexport const o${index}: I${index} = ${JSON.stringify(object)}`
}

/** One line an error, without what explains it. */
function typeErrors(files: readonly string[]): string[] {
  const strict = ['--noEmit', '--strict', '--skipLibCheck', '--ignoreConfig', '--types', '']
  const options = [...strict, '--module', 'nodenext', '--target', 'esnext']
  const { status, stdout } = spawnSync('node_modules/.bin/tsc', [...options, ...files], { encoding: 'utf8' })
  const errors = stdout.split('\n').filter(line => /^\S/.test(line))
  expect(status === 0).toBe(errors.length === 0)
  return errors
}

describe('the objects for Kubernetes', () => {
  const worker = objectOf(production, 'Deployment', 'promostream-worker')
  const scaled = objectOf(production, 'ScaledObject', 'promostream-worker')
  let unknown: Record<string, string>

  beforeAll(() => {
    unknown = unknownFields({
      ...SETS,
      misspelt: [{ ...worker, spec: { ...worker.spec, minReadySecond: 5 } }],
      'misspelt-scaled': [{ ...scaled, spec: { ...scaled.spec, minReplicas: 1 } }],
    })
  }, 60_000)

  test.each(Object.entries(SETS))(
    '%s is what the published schemas allow, with no field that they do not know',
    (name, objects) => {
      expect(objects.length).toBeGreaterThan(1)
      expect(objects.flatMap(schemaErrors)).toEqual([])
      expect(unknown[name]).toBe('')
    },
  )

  test('a wrong value and a misspelt field would be found', () => {
    expect(schemaErrors({ ...worker, spec: { ...worker.spec, minReadySeconds: 'five' } })).toEqual([
      expect.stringContaining('minReadySeconds'),
    ])
    expect(unknown.misspelt).toContain('minReadySecond')
    expect(unknown['misspelt-scaled']).toContain('minReplicas')
  })
})
