import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { runCommand } from '#local/servers/command.ts'
import { freePort } from '#local/servers/free-port.ts'
import { startProgram } from '#test/support/cli.ts'
import { startTestRedis, type TestRedis } from '#test/support/redis.ts'
import { createTestDatabase, stackEnv, type TestDatabase } from '#test/support/stack-env.ts'

/** In no line that a process writes. */
const SECRET = 'canary-7c1f'
/** What is promised is 5 s of a machine that has nothing else to do: six processes at once may take longer to begin. */
const SOON_MS = 25_000

let folder: string
let redis: TestRedis
let db: TestDatabase
let [port, tlsPort, closedPort] = [0, 0, 0]

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'promostream-start-'))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1']
  await runCommand('openssl', [...request, '-keyout', key, '-out', cert], { env: process.env })
  ;[tlsPort, closedPort] = [await freePort(), await freePort()]
  const settings = () => ({
    'tls-port': String(tlsPort),
    'tls-cert-file': cert,
    'tls-key-file': key,
    'tls-auth-clients': 'no',
  })
  ;[redis, db] = await Promise.all([startTestRedis({ settings }), createTestDatabase()])
  port = Number(new URL(redis.url).port)
  for (const [user, rights] of [
    ['app', '~* &* +@all'],
    ['nobody', ''],
    ['looker', '~* &* +ping +info'],
    ['reader', '~* &* +@all -@write'],
    ['setter', '~* &* +@all -xadd'],
    ['deaf', '~* &* +@all -xreadgroup -bzpopmin'],
    ['stranger', '~other:* ~promostream:owner* &* +@all'],
  ] as const)
    await redis.probe.acl('SETUSER', user, 'on', `>${SECRET}`, ...rights.split(' ').filter(Boolean))
}, 60_000)
afterAll(async () => {
  await db.drop()
  await redis.stop()
  await rm(folder, { recursive: true, force: true })
})

const PROGRAMS = {
  listener: ['src/bin/listener.ts'],
  worker: ['src/bin/worker.ts'],
  admin: ['src/bin/admin.ts'],
  'cli rebuild': ['src/bin/cli.ts', 'rebuild', '1'],
  'cli resume-calls': ['src/bin/cli.ts', 'resume-calls'],
  'cli own-redis': ['src/bin/cli.ts', 'own-redis', '--take-over'],
} as const
type Program = keyof typeof PROGRAMS

/** From its first moment to its exit, and what it said of why. */
async function start(program: Program, settings: Record<string, string>) {
  const env = {
    PATH: process.env.PATH,
    ...stackEnv(),
    DATABASE_URL: db.url,
    PROBE_HOST: '127.0.0.1',
    LISTENER_PORT: '0',
    WORKER_PORT: '0',
    ADMIN_PORT: '0',
    ...settings,
  }
  const startedAt = performance.now()
  const [file, ...args] = PROGRAMS[program]
  const child = startProgram(file, env, args)
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000)
  let text = ''
  for (const output of [child.stdout, child.stderr])
    output?.on('data', chunk => {
      text += chunk
    })
  const [code] = await once(child, 'close')
  clearTimeout(timer)
  const isCli = program.startsWith('cli')
  const why = text
    .split('\n')
    .filter(line => (isCli ? line.startsWith('promostream: ') : line.includes('"msg":"fatal: ')))
    .map(line => (isCli ? line.slice('promostream: '.length) : (JSON.parse(line) as { msg: string }).msg.slice(7)))
  return { code, text, why, ms: performance.now() - startedAt }
}

interface Case {
  url: () => string
  cluster?: boolean
  why: RegExp
  /** Who sends what is refused; all, where it is not said. */
  programs?: readonly Program[]
}

const asUser = (name: string) => () => `redis://${name}:${SECRET}@127.0.0.1:${port}`

const CASES: Record<string, Case> = {
  'a wrong password': { url: () => `redis://app:${SECRET}-not@127.0.0.1:${port}`, why: /refuses us: WRONGPASS/ },
  'a wrong user': { url: () => `redis://nobody-else:${SECRET}@127.0.0.1:${port}`, why: /refuses us: WRONGPASS/ },
  'rediss:// to a port without TLS': {
    url: () => `rediss://app:${SECRET}@127.0.0.1:${port}`,
    why: /does not answer: .*\(rediss:\/\/ wants TLS/,
  },
  'redis:// to a port with TLS': {
    url: () => `redis://app:${SECRET}@127.0.0.1:${tlsPort}`,
    why: /\(a port that speaks TLS wants rediss:\/\/\)/,
  },
  'a certificate of nobody whom we trust': {
    url: () => `rediss://app:${SECRET}@127.0.0.1:${tlsPort}`,
    why: /refuses us: .*self.signed certificate/,
  },
  'REDIS_CLUSTER=true before a single server': {
    url: () => `redis://app:${SECRET}@127.0.0.1:${port}`,
    cluster: true,
    why: /refuses us: .*cluster support disabled \(REDIS_CLUSTER .* is true/,
  },
  'a port where nobody listens': {
    url: () => `redis://app:${SECRET}@127.0.0.1:${closedPort}`,
    why: /does not answer: .*ECONNREFUSED/,
  },
  'a user without any rights': { url: asUser('nobody'), why: /refuses us: .*«nobody»/ },
  'a user who may only look': { url: asUser('looker'), why: /refuses us: .*«looker»/ },
  'a user who may not write': { url: asUser('reader'), why: /refuses us: .*«reader»/ },
  'a user who may SET, and not XADD': {
    url: asUser('setter'),
    why: /refuses us: the user «setter» may not run XADD: NOPERM/,
    programs: ['listener', 'worker'],
  },
  'a user who may not read what is there': {
    url: asUser('deaf'),
    why: /refuses us: the user «deaf» may not run (XREADGROUP|BZPOPMIN): NOPERM/,
    programs: ['worker'],
  },
  'a user of other keys than ours': {
    url: asUser('stranger'),
    why: /refuses us: the user «stranger» may not use keys like «(campaign-promotion-0:voucher:stream|promostream:campaign-promotion-retry:rights)».*: NOPERM/,
    programs: ['admin', 'cli rebuild'],
  },
}

describe.each(['REDIS_URL', 'REDIS_STREAM_URL'] as const)('a start that cannot go on for its %s', variable => {
  test.each(Object.keys(CASES))(
    '%s: one line that names it and the reason, soon, and exit code 1',
    async name => {
      const { url, cluster, why, programs: senders = Object.keys(PROGRAMS) as Program[] } = CASES[name]!
      const good = `redis://app:${SECRET}@127.0.0.1:${port}`
      const settings = {
        REDIS_URL: variable === 'REDIS_URL' ? url() : good,
        REDIS_STREAM_URL: variable === 'REDIS_URL' ? good : url(),
        ...(cluster === true ? { REDIS_CLUSTER: 'true' } : {}),
      }
      const ofOne: Partial<Record<Program, string>> = {
        'cli rebuild': 'REDIS_STREAM_URL',
        'cli resume-calls': 'REDIS_URL',
      }
      const programs = senders.filter(program => (ofOne[program] ?? variable) === variable)
      const ends = await Promise.all(programs.map(program => start(program, settings)))
      for (const [index, end] of ends.entries()) {
        expect([programs[index], end.code, end.why]).toEqual([programs[index], 1, [expect.stringMatching(why)]])
        expect(end.why[0]).toMatch(cluster === true ? /\(REDIS_(STREAM_)?URL\b/ : new RegExp(`\\(${variable}\\b`))
        expect(end.text).not.toContain(SECRET)
        expect(end.ms).toBeLessThan(SOON_MS)
      }
    },
    60_000,
  )
})
