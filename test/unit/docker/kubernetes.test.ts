import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ScaledObject, TriggerAuthentication } from '@kubernetes-models/keda/keda.sh/v1alpha1'
import {
  PodMonitor,
  PrometheusRule,
  ServiceMonitor,
} from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'
import { Deployment } from 'kubernetes-models/apps/v1'
import { Job } from 'kubernetes-models/batch/v1'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { ConfigMap, Secret, Service, ServiceAccount } from 'kubernetes-models/v1'
import { parse, stringify } from 'yaml'
import { giftTopicsOf } from '#config/gift-topics.ts'
import { loadConfig } from '#config/load.ts'
import {
  adminSchema,
  type cliSchema,
  listenerSchema,
  migrateSchema,
  SETTING_NAMES,
  workerSchema,
} from '#config/schemas.ts'
import { CHECK_TIMEOUT_MS } from '#runtime/readiness.ts'
import { type KubernetesObject, kustomize, objectOf, readObjects } from '../../support/kustomize.ts'

const KINDS = {
  ConfigMap: [ConfigMap, 'kubernetes-models/v1'],
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

const SCHEMAS = { listener: listenerSchema, worker: workerSchema, admin: adminSchema, migrate: migrateSchema }
const PROCESSES = ['listener', 'worker', 'admin'] as const
const OVERLAYS = ['staging', 'production'] as const
const SECRETS = '/run/secrets/'
const examples = readObjects('docker/k8s/secrets.example.yaml')
const overlays = Object.fromEntries(OVERLAYS.map(name => [name, kustomize(`docker/k8s/overlays/${name}`)]))
const production = overlays.production!

interface Container {
  name: string
  args: string[]
  env?: { name: string; value: string }[]
  envFrom: { configMapRef: { name: string } }[]
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[]
  ports?: { name: string; containerPort: number }[]
  [probe: `${string}Probe`]: { httpGet: { path: string; port: string }; timeoutSeconds: number }
}

interface Pod {
  containers: Container[]
  volumes: { name: string; secret?: { secretName: string; items?: { key: string }[] }; emptyDir?: object }[]
  terminationGracePeriodSeconds: number
}

const podOf = (object: KubernetesObject): Pod => object.spec.template.spec
const pods = (objects: readonly KubernetesObject[]) =>
  objects.filter(({ kind }) => kind === 'Deployment' || kind === 'Job')
const everyPod = OVERLAYS.flatMap(overlay =>
  pods(overlays[overlay]!).map(object => [overlay, object.metadata.name, object] as const),
)

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

/** TypeScript refuses a literal's field that the published type has not. */
function unknownFields(objects: readonly KubernetesObject[]): string {
  const lines = objects.map((object, index) => {
    const [, from] = KINDS[object.kind as keyof typeof KINDS]
    return `import type { I${object.kind} as I${index} } from '${from}'\nexport const o${index}: I${index} = ${JSON.stringify(object)}`
  })
  const folder = mkdtempSync(join(import.meta.dirname, 'objects-'))
  const file = join(folder, 'objects.ts')
  writeFileSync(file, lines.join('\n'))
  const options = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'nodenext',
    '--target',
    'esnext',
    '--types',
    '',
  ]
  try {
    execFileSync('node_modules/.bin/tsc', ['--ignoreConfig', ...options, file], { encoding: 'utf8', stdio: 'pipe' })
    return ''
  } catch (error) {
    return (error as { stdout: string }).stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('Kubernetes', () => {
  let secrets: string

  beforeAll(() => {
    secrets = mkdtempSync(join(tmpdir(), 'promostream-secrets-'))
    for (const { metadata, stringData = {} } of examples)
      for (const [key, value] of Object.entries(stringData))
        writeFileSync(join(secrets, `${metadata.name}-${key}`), value)
  })
  afterAll(() => rmSync(secrets, { recursive: true }))

  test.each([...OVERLAYS.map(name => [name, overlays[name]!] as const), ['secrets.example', examples] as const])(
    '%s is what the published schemas allow, with no field that they do not know',
    (_name, objects) => {
      expect(objects.length).toBeGreaterThan(1)
      expect(objects.flatMap(schemaErrors)).toEqual([])
      expect(unknownFields(objects)).toBe('')
    },
    60_000,
  )

  test('a wrong value and a misspelt field would be found', () => {
    const worker = objectOf(production, 'Deployment', 'promostream-worker')
    expect(schemaErrors({ ...worker, spec: { ...worker.spec, minReadySeconds: 'five' } })).toEqual([
      expect.stringContaining('minReadySeconds'),
    ])
    expect(unknownFields([{ ...worker, spec: { ...worker.spec, minReadySecond: 5 } }])).toContain('minReadySecond')
    const scaled = objectOf(production, 'ScaledObject', 'promostream-worker')
    expect(unknownFields([{ ...scaled, spec: { ...scaled.spec, minReplicas: 1 } }])).toContain('minReplicas')
  }, 60_000)

  /** The environment of a pod's process, its secrets from the example. */
  function environmentOf(objects: readonly KubernetesObject[], pod: Pod): Record<string, string> {
    const container = pod.containers[0]!
    const settings = container.envFrom.map(({ configMapRef }) => objectOf(objects, 'ConfigMap', configMapRef.name).data)
    const own = (container.env ?? []).map(({ name, value }) => [name, value.replace(SECRETS, `${secrets}/`)])
    const paths = own.map(([name, value]) => [name!, value!.replace(/\/(\w+)$/, '-$1')])
    return Object.assign({}, ...settings, Object.fromEntries(paths))
  }

  test.each(everyPod)('%s: %s gets settings that it takes, and none that nobody reads', (overlay, _name, object) => {
    const pod = podOf(object)
    const container = pod.containers[0]!
    const environment = environmentOf(overlays[overlay]!, pod)
    expect(Object.keys(environment).filter(name => !SETTING_NAMES.includes(name))).toEqual([])
    const schema = SCHEMAS[container.name as keyof typeof SCHEMAS]
    const config = loadConfig(schema as typeof cliSchema, environment)
    if (object.kind === 'Deployment')
      expect(pod.terminationGracePeriodSeconds * 1000).toBeGreaterThanOrEqual(config.SHUTDOWN_TIMEOUT_MS + 5000)
    // A secret stands in a file alone, and that file is of a Secret that is mounted.
    for (const { name, value } of container.env ?? []) {
      if (!name.endsWith('_FILE')) continue
      const [, folder = '', key = ''] = /^\/run\/secrets\/([\w-]+)\/(\w+)$/.exec(value) ?? []
      const mount = container.volumeMounts.find(({ mountPath }) => mountPath === `${SECRETS}${folder}`)
      expect([name, mount?.readOnly]).toEqual([name, true])
      const volume = pod.volumes.find(one => one.name === mount?.name)
      expect([name, volume?.secret?.items?.map(item => item.key) ?? [key]]).toEqual([name, [key]])
      expect(objectOf(examples, 'Secret', volume?.secret?.secretName ?? '').stringData).toHaveProperty(key)
    }
    expect(JSON.stringify(environment)).not.toContain('change-me')
  })

  test.each(everyPod)(
    '%s: %s runs what was built, without rights, and is no neighbour of a Service',
    (_overlay, _name, object) => {
      const pod = podOf(object)
      expect(pod).toMatchObject({
        enableServiceLinks: false,
        automountServiceAccountToken: false,
        serviceAccountName: 'promostream',
        securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      })
      expect(pod.containers).toHaveLength(1)
      const [container] = pod.containers
      expect(container).toMatchObject({
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
        resources: {
          requests: { cpu: expect.anything(), memory: expect.anything() },
          limits: { cpu: expect.anything(), memory: expect.anything() },
        },
      })
      expect(existsSync(container!.args[0]!.replace(/^dist\/(.*)\.js$/, '$1.ts'))).toBe(true)
      const mounted = container!.volumeMounts.map(({ name }) => name).sort()
      expect(mounted).toEqual(pod.volumes.map(({ name }) => name).sort())
    },
  )

  test.each(OVERLAYS.flatMap(overlay => PROCESSES.map(name => [overlay, name] as const)))(
    '%s: %s is asked whether it is well for longer than it may take, and taken away one at a time',
    (overlay, name) => {
      const objects = overlays[overlay]!
      const deployment = objectOf(objects, 'Deployment', `promostream-${name}`)
      const container = podOf(deployment).containers[0]!
      const config = loadConfig(SCHEMAS[name] as typeof workerSchema, environmentOf(objects, podOf(deployment)))
      const setting = { listener: 'LISTENER_PORT', worker: 'WORKER_PORT', admin: 'ADMIN_PORT' }[name]
      expect(container.ports?.map(({ containerPort }) => containerPort)).toEqual([
        (config as unknown as Record<string, number>)[setting],
      ])
      for (const [probe, path] of [
        ['startupProbe', '/health'],
        ['livenessProbe', '/health'],
        ['readinessProbe', '/ready'],
      ] as const) {
        expect(container[probe]!.httpGet).toEqual({ path, port: container.ports?.[0]?.name })
        expect(container[probe]!.timeoutSeconds * 1000).toBeGreaterThan(CHECK_TIMEOUT_MS)
      }
      const labels = deployment.spec.template.metadata.labels as Record<string, string>
      expect(labels).toMatchObject(deployment.spec.selector.matchLabels)
      const budget = objectOf(objects, 'PodDisruptionBudget', `promostream-${name}`)
      expect(budget.spec).toEqual({ maxUnavailable: 1, selector: deployment.spec.selector })
      const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy').map(({ spec }) => spec)
      const own = policies.filter(({ podSelector }) =>
        Object.entries(podSelector.matchLabels).every(([label, value]) => labels[label] === value),
      )
      expect(own.some(({ policyTypes }) => policyTypes.includes('Egress'))).toBe(true)
      const open = own.flatMap(({ ingress }) => ingress).flatMap(({ ports }) => ports as { port: number }[])
      expect(open.map(({ port }) => port)).toContain(container.ports?.[0]?.containerPort)
    },
  )

  test('every server of production is let through, and no other port', () => {
    const settings = Object.assign({}, ...production.filter(({ kind }) => kind === 'ConfigMap').map(({ data }) => data))
    const urls = [...Object.values(examples[0]!.stringData!), settings.MONEY_API_URL].filter(text =>
      text.includes('://'),
    )
    const ports = urls.map(text => new URL(text).port || '443')
    const brokers = (settings.KAFKA_BROKERS as string).split(',').map(broker => broker.split(':')[1]!)
    const { egress } = objectOf(production, 'NetworkPolicy', 'promostream').spec as {
      egress: { ports: { port: number }[] }[]
    }
    const open = egress.flatMap(rule => rule.ports).map(({ port }) => String(port))
    expect(new Set(open)).toEqual(new Set(['53', ...ports, ...brokers]))
  })

  test('the Service reaches the admin, and Prometheus each process by the name that the rules know it by', () => {
    const service = objectOf(production, 'Service', 'promostream-admin')
    const admin = objectOf(production, 'Deployment', 'promostream-admin')
    expect(admin.spec.template.metadata.labels).toMatchObject(service.spec.selector)
    expect(service.spec.ports[0].targetPort).toBe(podOf(admin).containers[0]!.ports![0]!.name)
    const byPod = objectOf(production, 'PodMonitor', 'promostream').spec
    const byService = objectOf(production, 'ServiceMonitor', 'promostream-admin').spec
    expect([byPod.jobLabel, byService.jobLabel]).toEqual(['app', 'app'])
    expect(service.metadata.labels).toMatchObject(byService.selector.matchLabels)
    expect(byService.endpoints[0].port).toBe(service.spec.ports[0].name)
    const password = byService.endpoints[0].basicAuth.password as { name: string; key: string }
    expect(objectOf(examples, 'Secret', password.name).stringData).toHaveProperty(password.key)
    const jobs = [...(byPod.selector.matchExpressions[0].values as string[]), service.metadata.labels!.app]
    expect(jobs.sort()).toEqual(PROCESSES.map(name => `promostream-${name}`).sort())
    for (const name of ['listener', 'worker'])
      expect(podOf(objectOf(production, 'Deployment', `promostream-${name}`)).containers[0]!.ports![0]!.name).toBe(
        byPod.podMetricsEndpoints[0].port,
      )
  })

  test('the rules of the operator are those of Prometheus (UPDATE_RULES=1 writes them)', () => {
    const path = 'docker/k8s/components/monitoring/rules.yaml'
    const { groups } = parse(readFileSync('docker/prometheus/alerts.yaml', 'utf8'))
    const rule = {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'PrometheusRule',
      metadata: { name: 'promostream', labels: { 'app.kubernetes.io/part-of': 'promostream' } },
      spec: { groups },
    }
    if (process.env.UPDATE_RULES !== undefined)
      writeFileSync(
        path,
        `# Written by a test, from docker/prometheus/alerts.yaml.\n${stringify(rule, { lineWidth: 120 })}`,
      )
    expect(readObjects(path)).toEqual([rule])
  })

  test('what is scaled is there, keeps no number of its own, and never comes down to none', () => {
    for (const name of ['listener', 'worker']) {
      const { spec } = objectOf(production, 'ScaledObject', `promostream-${name}`)
      expect(objectOf(production, 'Deployment', spec.scaleTargetRef.name).spec).not.toHaveProperty('replicas')
      expect(spec.minReplicaCount).toBeGreaterThanOrEqual(1)
      expect(spec).not.toHaveProperty('idleReplicaCount')
      expect(spec.fallback).toMatchObject({ replicas: 2, behavior: 'currentReplicasIfHigher' })
    }
    expect(objectOf(overlays.staging!, 'Deployment', 'promostream-worker').spec.replicas).toBe(1)
  })

  test('listeners are scaled by the lag of what they read, by their own login, up to the partitions', () => {
    const deployment = objectOf(production, 'Deployment', 'promostream-listener')
    const config = loadConfig(listenerSchema, environmentOf(production, podOf(deployment)))
    const { spec } = objectOf(production, 'ScaledObject', 'promostream-listener')
    const triggers = spec.triggers as { type: string; metadata: Record<string, string>; authenticationRef: object }[]
    const read = Object.values(giftTopicsOf(config)).flatMap(({ gifts, retries }) => [gifts, retries])
    const asked = triggers.map(({ metadata }) => ({ topic: metadata.topic!, groupId: metadata.consumerGroup! }))
    const byTopic = (one: { topic: string }, other: { topic: string }) => one.topic.localeCompare(other.topic)
    expect(asked.sort(byTopic)).toEqual(read.sort(byTopic))
    expect(spec.maxReplicaCount).toBe(config.KAFKA_TOPIC_PARTITIONS)
    for (const trigger of triggers)
      expect(trigger).toMatchObject({
        type: 'kafka',
        metadata: {
          bootstrapServersFromEnv: 'KAFKA_BROKERS',
          offsetResetPolicy: 'earliest',
          sasl: config.KAFKA_SASL_MECHANISM!.replaceAll('-', '_').replace(/_(\d+)$/, '$1'),
          tls: config.KAFKA_SSL ? 'enable' : 'disable',
        },
        authenticationRef: { name: 'promostream-kafka' },
      })
    const login = objectOf(production, 'TriggerAuthentication', 'promostream-kafka').spec
    expect(login.env).toEqual([{ parameter: 'username', name: 'KAFKA_SASL_USERNAME', containerName: 'listener' }])
    const [{ name, key }] = login.secretTargetRef as [{ name: string; key: string }]
    expect(objectOf(examples, 'Secret', name).stringData).toHaveProperty(key)
  })
})
