import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import { loadConfig } from '#config/load.ts'
import { adminSchema, type cliSchema, listenerSchema, migrateSchema, workerSchema } from '#config/schemas.ts'
import { type ComposeService, readCompose } from '../../support/compose.ts'
import { readDockerfile } from '../../support/image-folder.ts'

const { services } = readCompose('docker/compose.yaml')
const production = readCompose('docker/compose.production.yaml')
const instructions = readDockerfile()
const PORTS = { listener: 'LISTENER_PORT', worker: 'WORKER_PORT', admin: 'ADMIN_PORT' } as const
const PROCESSES = Object.entries(PORTS)

const portOf = (name: string) => String(services[name]?.environment?.[PORTS[name as keyof typeof PORTS]])
/** The value of `--name=value`, or of the word behind `--name`. */
function optionOf({ command = [] }: ComposeService, name: string): string | undefined {
  const index = command.findIndex(word => word === name || word.startsWith(`${name}=`))
  return command[index]?.split('=')[1] ?? command[index + 1]
}

/** What one part of the files says of another: the run of the image replaces hosts and ports, so it cannot tell. */
describe('the addresses of docker compose', () => {
  test.each(PROCESSES)('%s is asked at the port that it listens on', name => {
    expect(services[name]?.healthcheck?.test?.slice(-2)).toEqual(['/ready', portOf(name)])
  })

  test('the admin is reached from outside its container, at the address that the login names', () => {
    const { environment = {}, ports = [] } = services.admin!
    expect(environment.ADMIN_HOST).toBe('0.0.0.0')
    const [host, outside, inside] = ports[0]!.split(':')
    expect(inside).toBe(portOf('admin'))
    expect(optionOf(services.login!, '--url')).toBe(`http://${host}:${outside}`)
  })

  test('the admin and Prometheus find what the login has made', () => {
    const folder = optionOf(services.login!, '--folder')
    expect(services.login?.volumes).toEqual([`login:${folder}`])
    for (const name of ['admin', 'prometheus']) expect(services[name]?.volumes).toContain(`login:${folder}:ro`)
    expect(services.admin?.environment?.ADMIN_USERS_FILE).toBe(`${folder}/admin-users`)
  })

  test.each(['listener', 'worker', 'admin', 'migrate', 'publish'])('%s names each server as it is', name => {
    const { DATABASE_URL = '', REDIS_URL, MONEY_API_URL, MONEY_API_TOKEN } = services[name]?.environment ?? {}
    const { POSTGRES_USER: user, POSTGRES_PASSWORD: password, POSTGRES_DB: db } = services.postgres!.environment!
    expect(DATABASE_URL).toBe(`postgres://${user}:${password}@postgres:5432/${db}`)
    if (name === 'migrate') return
    expect(REDIS_URL).toBe('redis://redis:6379')
    const simulator = services['money-api']!
    expect(MONEY_API_URL).toBe(`http://money-api:${optionOf(simulator, '--port')}`)
    expect(MONEY_API_TOKEN).toBe(optionOf(simulator, '--token'))
    expect(optionOf(simulator, '--host')).toBe('0.0.0.0')
    expect(simulator.healthcheck?.test?.at(-1)).toBe(optionOf(simulator, '--port'))
  })

  test('one Kafka is enough: it votes for itself, and its own topics want no second broker', () => {
    const { KAFKA_NODE_ID: id, KAFKA_LISTENERS: listeners = '', ...others } = services.kafka!.environment!
    const [, controller] = /CONTROLLER:\/\/:(\d+)/.exec(listeners) ?? []
    expect(others.KAFKA_CONTROLLER_QUORUM_VOTERS).toBe(`${id}@kafka:${controller}`)
    // Kafka's defaults are 3 and 2: no group would find its coordinator.
    for (const topic of ['OFFSETS_TOPIC', 'TRANSACTION_STATE_LOG', 'SHARE_COORDINATOR_STATE_TOPIC'])
      expect([topic, others[`KAFKA_${topic}_REPLICATION_FACTOR`]]).toEqual([topic, '1'])
    for (const topic of ['TRANSACTION_STATE_LOG', 'SHARE_COORDINATOR_STATE_TOPIC'])
      expect([topic, others[`KAFKA_${topic}_MIN_ISR`]]).toEqual([topic, '1'])
  })

  test.each(
    Object.entries({ listener: listenerSchema, worker: workerSchema, admin: adminSchema, migrate: migrateSchema }),
  )('%s of production takes what is left of both files', (name, schema) => {
    const values: Record<string, string> = {
      DATABASE_URL: 'postgres://a:b@127.0.0.1/c',
      REDIS_URL: 'redis://a',
      KAFKA_BROKERS: 'a:9092',
      MONEY_API_URL: 'https://a',
      ADMIN_USERS: 'a:operator:scrypt.32768.8.3.AAAA.AAAA',
    }
    const fill = (text: string) =>
      text.replace(
        /^\$\{(\w+)(?::-(\w*)|:\?.*)\}$/,
        (_, variable, byDefault) => byDefault ?? values[variable] ?? 'x'.repeat(32),
      )
    const merged = { ...services[name]?.environment, ...production.services[name]?.environment }
    const given = Object.fromEntries(Object.entries(merged).map(([variable, text]) => [variable, fill(text)]))
    expect(() => loadConfig(schema as typeof cliSchema, given)).not.toThrow()
    if (name === 'admin') expect(given.ADMIN_USERS_FILE).toBe('')
  })

  test('Prometheus asks each service at its own port, and reads rules that are there', () => {
    const { scrape_configs: jobs, rule_files: files } = parse(readFileSync('docker/prometheus/prometheus.yml', 'utf8'))
    const asked = jobs.map(
      // biome-ignore lint/suspicious/noExplicitAny: one shape for each kind of discovery.
      ({ job_name, static_configs, dns_sd_configs }: any) =>
        `${job_name} ${static_configs?.[0].targets[0] ?? `${dns_sd_configs[0].names[0]}:${dns_sd_configs[0].port}`}`,
    )
    expect(asked.sort()).toEqual(PROCESSES.map(([name]) => `promostream-${name} ${name}:${portOf(name)}`).sort())
    expect(files).toHaveLength(1)
    expect(existsSync(`docker/prometheus/${files[0]}`)).toBe(true)
    expect(services.prometheus?.volumes).toContain('./prometheus:/etc/prometheus:ro')
    expect(optionOf(services.prometheus!, '--config.file')).toBe('/etc/prometheus/prometheus.yml')
    const { datasources } = parse(readFileSync('docker/grafana/provisioning/datasources/prometheus.yaml', 'utf8'))
    const inside = services.prometheus?.ports?.[0]?.split(':').at(-1)
    expect(datasources[0].url).toBe(`http://prometheus:${inside}`)
  })

  test('production hands on how Kafka is reached, the same for each process', () => {
    const wanted = ['KAFKA_SSL', 'KAFKA_SASL_MECHANISM', 'KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD']
    for (const [name] of PROCESSES)
      expect(Object.keys(production.services[name]?.environment ?? {})).toEqual(expect.arrayContaining(wanted))
  })

  test('the Kafka is the one that the tests run on', () => {
    const [, version] = /kafka_2\.13<\/artifactId>\s*<version>([^<]+)/.exec(
      readFileSync('docker/kafka/pom.xml', 'utf8'),
    )!
    expect(services.kafka?.image).toBe(`apache/kafka:${version}`)
  })

  test('the build’s context is what is named, and no secret is', () => {
    const lines = readFileSync('.dockerignore', 'utf8')
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('#'))
    expect([lines[0], lines.at(-1)]).toEqual(['*', '**/.env'])
  })

  test('the image by itself starts what is in it, is asked at the default ports, and owns the folder of its volume', () => {
    const ofFinal = (word: string) =>
      instructions.filter(one => one.stage === 'final' && one.word === word).map(({ rest }) => rest)
    const [path] = JSON.parse(ofFinal('CMD')[0]!) as [string]
    expect(existsSync(path.replace(/^dist\/(.*)\.js$/, '$1.ts'))).toBe(true)
    const ports = PROCESSES.map(([name]) => portOf(name)).sort()
    expect(ofFinal('EXPOSE')).toEqual([ports.join(' ')])
    for (const port of ports) expect(ofFinal('HEALTHCHECK')[0]).toContain(`"${port}"`)
    expect(ofFinal('RUN').join('\n')).toContain('install -d -o node -g node -m 0755 /var/lib/promostream')
    expect(ofFinal('ENV')).toEqual(['NODE_ENV=production'])
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
    expect(ofFinal('ARG')).toContain(`VERSION=${version}`)
  })
})
