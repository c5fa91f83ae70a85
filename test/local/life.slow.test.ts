import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  accessSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { type Stack, type StackServer, startStack } from '#local/embedded-stack.ts'
import { isRoot } from '#local/servers/executables.ts'
import { userCacheFolder } from '#local/servers/user-cache.ts'
import { holdStack, isAlive, processesIn, releaseHolders, until } from './processes.ts'
import { kafkaHere, pathWith } from './requirements.ts'

const EVERY_SERVER = kafkaHere() ? 'postgres,redis,kafka,money' : 'postgres,redis,money'
const NOBODY = 65_534

let scratch: string
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'life-'))
  chmodSync(scratch, 0o777)
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const stacks: Stack[] = []
afterEach(async () => {
  releaseHolders()
  await Promise.all(stacks.splice(0).map(stack => stack.close()))
})

/** A stack of this process, beside those of the processes under test; its start sweeps their folder. */
async function startHere(...servers: StackServer[]): Promise<Stack> {
  const stack = await startStack({ env: { ...process.env, TMPDIR: scratch }, servers, onProgress: () => undefined })
  stacks.push(stack)
  return stack
}

test('a parent killed with SIGKILL leaves no process, and the next stack sweeps its folder', async () => {
  const { child, stack } = await holdStack({ servers: EVERY_SERVER, env: { ...process.env, TMPDIR: scratch } })
  expect(stack.pids.filter(isAlive)).toHaveLength(EVERY_SERVER.split(',').length)
  const before = processesIn(stack.folder)
  child.kill('SIGKILL')
  // Until it has been waited for, a dead parent still looks alive.
  await until(
    () => ![...before, ...stack.pids, child.pid as number].some(isAlive) && processesIn(stack.folder).length === 0,
  )
  expect(existsSync(stack.folder)).toBe(true)
  const next = await startHere('redis')
  expect(existsSync(stack.folder)).toBe(false)
  // The folder of a living stack stays.
  await startHere()
  expect(existsSync(next.folder)).toBe(true)
})

test('a process that ends without closing leaves neither processes nor folder', async () => {
  const { child, stack } = await holdStack({ servers: 'redis,money', env: { ...process.env, TMPDIR: scratch } })
  child.kill('SIGUSR2')
  expect((await once(child, 'exit'))[0]).toBe(3)
  await until(() => !stack.pids.some(isAlive))
  expect(existsSync(stack.folder)).toBe(false)
})

test('where there is no setpriv, a killed parent leaves no process either', async () => {
  const PATH = pathWith(scratch, 'redis-server', 'redis-check-rdb', 'sleep', 'ps')
  const { child, stack } = await holdStack({ servers: 'redis,money', env: { ...process.env, PATH, TMPDIR: scratch } })
  child.kill('SIGKILL')
  await until(() => !stack.pids.some(isAlive) && processesIn(stack.folder).length === 0)
})

test('kept servers outlive their parent, whatever kills it, and the printed line ends them', async () => {
  const { child, stack } = await holdStack({
    servers: 'redis,money',
    keep: true,
    env: { ...process.env, TMPDIR: scratch },
  })
  child.kill('SIGKILL')
  await once(child, 'exit')
  await startHere()
  expect(existsSync(stack.folder)).toBe(true)
  expect((await fetch(`${stack.env.MONEY_API_URL}/health`)).status).toBe(200)
  await once(spawn('/bin/sh', ['-c', stack.howToStop]), 'exit')
  expect(stack.pids.some(isAlive)).toBe(false)
  expect(existsSync(stack.folder)).toBe(false)
})

describe('as a normal user', () => {
  const checkout = fileURLToPath(new URL('../..', import.meta.url))
  const readable = !isRoot() || isReadableByAll(checkout)

  const userTest = readable ? test : test.skip
  userTest('every server starts, and leaves nothing behind', async () => {
    const home = join(scratch, 'home')
    mkdirSync(home)
    chmodSync(home, 0o777)
    const env: Record<string, string | undefined> = { PATH: process.env.PATH, HOME: home, TMPDIR: scratch }
    const jars = join(userCacheFolder(process.env), 'kafka-4.3.1')
    if (existsSync(jars)) {
      env.KAFKA_HOME = join(scratch, 'kafka')
      cpSync(jars, join(env.KAFKA_HOME, 'libs'), { recursive: true })
      chmodSync(join(env.KAFKA_HOME, 'libs'), 0o755)
    }
    const { child, stack } = await holdStack({ servers: EVERY_SERVER, env, ...(isRoot() ? { uid: NOBODY } : {}) })
    for (const pid of stack.pids) expect(readFileSync(`/proc/${pid}/status`, 'utf8')).not.toMatch(/^Uid:\t0/m)
    child.kill('SIGKILL')
    await until(() => !stack.pids.some(isAlive) && processesIn(stack.folder).length === 0)
  })
})

describe('npm run stack', () => {
  test('writes the environment to a file that nobody else reads, stays, and stops everything at SIGTERM', async () => {
    const file = join(scratch, 'stack.env')
    const program = fileURLToPath(new URL('../../src/local/stack.ts', import.meta.url))
    const args = ['--', program, '--env-file', file, '--only', 'redis,money', '--money-latency', '7', '--seed', '9']
    const child = spawn(process.execPath, args, {
      env: { ...process.env, TMPDIR: scratch },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let stdout = ''
    child.stdout.setEncoding('utf8').on('data', text => {
      stdout += text
    })
    await until(() => existsSync(file))
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const env = Object.fromEntries(
      readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map(line => line.split('=') as [string, string]),
    )
    expect(Object.keys(env)).toEqual(['REDIS_URL', 'REDIS_STREAM_URL', 'MONEY_API_URL', 'MONEY_API_TOKEN'])
    expect(await (await fetch(`${env.MONEY_API_URL}/control`)).json()).toMatchObject({ latencyMs: 7, seed: 9 })
    child.kill('SIGTERM')
    // A wrapper like npm sends it again.
    setImmediate(() => child.kill('SIGTERM'))
    expect((await once(child, 'exit'))[0]).toBe(0)
    expect(stdout).toBe(readFileSync(file, 'utf8'))
    await expect(fetch(`${env.MONEY_API_URL}/health`)).rejects.toThrow()
  })

  test.each([
    [['--only', 'mysql'], /There are postgres, redis, kafka, money/],
    [['--faults', '120'], /must be a number from 0 to 100/],
  ])('refuses %j in one line', async (flags, message) => {
    const program = fileURLToPath(new URL('../../src/local/stack.ts', import.meta.url))
    const child = spawn(process.execPath, ['--', program, ...flags], { stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text
    })
    expect((await once(child, 'close'))[0]).toBe(1)
    expect(stderr.trim()).toMatch(message)
    expect(stderr.trim().split('\n')).toHaveLength(1)
  })
})

function isReadableByAll(path: string): boolean {
  accessSync(path)
  for (let folder = path; folder !== '/'; folder = join(folder, '..')) {
    if ((statSync(folder).mode & 0o005) !== 0o005) return false
  }
  return true
}
