import { existsSync, readFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from '@jest/globals'
import { loadConfig } from '#config/load.ts'
import { type cliSchema, SETTING_NAMES, type workerSchema } from '#config/schemas.ts'
import { CHECK_TIMEOUT_MS } from '#runtime/readiness.ts'
import {
  environmentOf,
  OVERLAYS,
  POD_KINDS,
  PROCESSES,
  podOf,
  readOverlays,
  SCHEMAS,
  SECRETS,
  writeSecrets,
} from '#test/support/kubernetes.ts'
import { objectOf } from '#test/support/kustomize.ts'

const { overlays, examples } = readOverlays()
/** What each pod cannot do its work without, also where a setting is optional: a page or a command would fail at its first use. */
const SERVERS = ['DATABASE_URL', 'REDIS_URL', 'KAFKA_BROKERS']
const MONEY = ['MONEY_API_URL', 'MONEY_API_TOKEN']
const NEEDED: Readonly<Record<string, string[]>> = {
  listener: SERVERS,
  worker: [...SERVERS, ...MONEY],
  // It asks about UNKNOWN gifts: without the token it would be refused, and would stop the calls of all.
  admin: [...SERVERS, ...MONEY, 'ADMIN_USERS', 'ADMIN_SESSION_SECRET'],
  migrate: ['DATABASE_URL'],
  audit: [...SERVERS, ...MONEY],
}
const everyPod = OVERLAYS.flatMap(overlay =>
  overlays[overlay]
    .filter(({ kind }) => POD_KINDS.includes(kind))
    .map(object => [overlay, object.metadata.name, object] as const),
)

describe('the pods of Kubernetes', () => {
  const secrets = writeSecrets(examples)
  afterAll(secrets.remove)

  test.each(everyPod)('%s: %s gets settings that it takes, and none that nobody reads', (overlay, _name, object) => {
    const pod = podOf(object)
    const container = pod.containers[0]!
    const environment = environmentOf(overlays[overlay], pod, secrets.folder)
    expect(Object.keys(environment).filter(name => !SETTING_NAMES.includes(name))).toEqual([])
    const schema = SCHEMAS[container.name as keyof typeof SCHEMAS]
    const config = loadConfig(schema as typeof cliSchema, environment)
    const taken = config as unknown as Record<string, unknown>
    expect(NEEDED[container.name]!.filter(name => taken[name] === undefined)).toEqual([])
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
      const objects = overlays[overlay]
      const deployment = objectOf(objects, 'Deployment', `promostream-${name}`)
      const container = podOf(deployment).containers[0]!
      const config = loadConfig(
        SCHEMAS[name] as typeof workerSchema,
        environmentOf(objects, podOf(deployment), secrets.folder),
      )
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
      // A start takes seconds, on a cold node more; a new one is ready before an old one goes.
      const { periodSeconds, failureThreshold } = container.startupProbe!
      expect(periodSeconds * failureThreshold).toBeGreaterThanOrEqual(60)
      expect(deployment.spec.strategy.rollingUpdate).toEqual({ maxSurge: 1, maxUnavailable: 0 })
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

  test.each(OVERLAYS)('%s: migrate waits for PostgreSQL, before everything else', overlay => {
    const job = objectOf(overlays[overlay], 'Job', 'promostream-migrate')
    expect(podOf(job).containers[0]!.args).toEqual(['dist/src/bin/migrate.js', '--wait', '120'])
    expect(job.metadata.annotations).toMatchObject({ 'argocd.argoproj.io/hook': 'PreSync' })
  })

  test('staging shares servers with others: keys, group and namespace are its own; production runs this version', () => {
    const settings = overlays.staging.find(({ kind }) => kind === 'ConfigMap')?.data
    expect([settings?.KAFKA_GROUP_ID, settings?.REDIS_KEY_PREFIX]).toEqual(['promostream-staging', 'staging:'])
    for (const [overlay, namespace] of [
      ['staging', 'promostream-staging'],
      ['production', 'promostream'],
    ] as const)
      expect(new Set(overlays[overlay].map(({ metadata }) => metadata.namespace))).toEqual(new Set([namespace]))
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
    const pods = overlays.production.filter(({ kind }) => POD_KINDS.includes(kind)).map(podOf)
    for (const { containers } of pods) expect(containers[0]!.image).toBe(`registry.example.org/promostream:${version}`)
  })

  test('an audit each night asks for every charge, says so to the admin, and is no two at once', () => {
    const audit = objectOf(overlays.production, 'CronJob', 'promostream-audit')
    expect(podOf(audit).containers[0]!.args.slice(1)).toEqual(['audit', '--charges', 'api', '--record'])
    const jobs = { backoffLimit: 0, activeDeadlineSeconds: expect.any(Number) }
    expect(audit.spec).toMatchObject({
      schedule: '5 4 * * *',
      concurrencyPolicy: 'Forbid',
      jobTemplate: { spec: jobs },
    })
  })
})
