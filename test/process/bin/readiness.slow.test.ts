import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Child } from '#local/demo/children.ts'
import { type GateProxy, startGateProxy } from '#test/support/gate-proxy.ts'
import { kafkaMissing, stackEnv } from '#test/support/stack-env.ts'
import { TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

/** What is promised is «a few seconds»; the machine of a test may be slow. */
const SOON_MS = 15_000

interface Ready {
  status: number
  text: string
  checks: Record<string, string>
}

async function ready({ url }: Child): Promise<Ready> {
  const response = await fetch(`${url}/ready`)
  const text = await response.text()
  return { status: response.status, text, checks: (JSON.parse(text) as Ready).checks }
}

withKafka('/ready of listener and worker', () => {
  let system: TestSystem
  let children: Child[]
  const gates: Record<'REDIS_URL' | 'REDIS_STREAM_URL' | 'DATABASE_URL', GateProxy> = {} as never

  beforeAll(async () => {
    system = await TestSystem.create()
    const urls = { ...system.env, REDIS_STREAM_URL: system.env.REDIS_URL } as Record<keyof typeof gates, string>
    const overrides: Record<string, string> = {}
    for (const name of ['REDIS_URL', 'REDIS_STREAM_URL', 'DATABASE_URL'] as const) {
      const url = new URL(urls[name])
      gates[name] = await startGateProxy({ port: Number(url.port) })
      url.port = String(gates[name].port)
      overrides[name] = url.href
    }
    children = await Promise.all([system.start('listener', overrides), system.start('worker', overrides)])
  }, 60_000)
  afterAll(async () => {
    await system.stop()
    for (const gate of Object.values(gates)) await gate.stop()
  })

  test.each([
    ['REDIS_STREAM_URL', 'streams'],
    ['REDIS_URL', 'redis'],
    ['DATABASE_URL', 'database'],
  ] as const)(
    'is false while the server of %s is away, with no address in it, and true again after',
    async (name, check) => {
      await system.until('ready', async () => (await ready(children[0]!)).status === 200, SOON_MS)
      gates[name].close()
      for (const child of children) {
        const answer = await system.until(
          `not ready without ${name}`,
          async () => {
            const seen = await ready(child)
            return seen.status === 503 && seen.checks[check] === 'does not answer' && seen
          },
          SOON_MS,
        )
        expect(answer.text).not.toMatch(/127\.0\.0\.1|:\d{4}|ECONN|localhost/)
      }
      gates[name].open()
      for (const child of children)
        await system.until('ready again', async () => (await ready(child)).status === 200, SOON_MS * 2)
      expect(readFileSync(children[1]!.logFile, 'utf8')).toMatch(new RegExp(`"msg":"not ready: [^"]*${check}`))
    },
    90_000,
  )

  test('every loop of a process that has nothing to do comes round, BullMQ’s too', async () => {
    const ages = async () => {
      const text = await (await fetch(`${children[1]!.url}/metrics`)).text()
      return new Map(
        [...text.matchAll(/promostream_poll_age_seconds\{loop="([^"]+)"[^}]*\} (\S+)/g)].map(
          ([, loop = '', age]) => [loop, Number(age)] as const,
        ),
      )
    }
    const first = await ages()
    expect([...first.keys()]).toEqual(expect.arrayContaining(['stream-pool', 'upkeep', 'retry-worker']))
    let before = first.get('retry-worker') ?? 0
    await system.until(
      'the retry worker comes round',
      async () => {
        const age = (await ages()).get('retry-worker') ?? 0
        const hasTurned = age < before
        before = age
        return hasTurned
      },
      40_000,
    )
  }, 60_000)
})

withKafka('a process whose loop stands still', () => {
  let system: TestSystem
  let gate: GateProxy
  let overrides: Record<string, string>
  const boundMs = 4000

  beforeAll(async () => {
    system = await TestSystem.create()
    const url = new URL(system.env.REDIS_URL!)
    gate = await startGateProxy({ port: Number(url.port) })
    url.port = String(gate.port)
    overrides = { REDIS_STREAM_URL: url.href, LOOP_STALL_TIMEOUT_MS: String(boundMs) }
  }, 60_000)
  afterAll(async () => {
    await system.stop()
    await gate.stop()
  })

  async function workerWithPromotion(): Promise<Child> {
    await system.promotion('VOUCHER', 'IN_PROGRESS', 100)
    return system.start('worker', overrides)
  }

  test('ends with ≠ 0 when a new connection to the server works', async () => {
    const worker = await workerWithPromotion()
    gate.swallow(/promostream-stream/)
    expect(await worker.ended).toBe(1)
    gate.swallow(undefined)
    const log = readFileSync(worker.logFile, 'utf8')
    expect(log).toMatch(/"code":"LOOP_STALLED"/)
    expect(log).toMatch(/fatal: (stream-pool|upkeep) has stood still for \d+ s although what it needs works/)
  }, 60_000)

  test('does not end while the server is away, and works when it is back', async () => {
    const worker = await workerWithPromotion()
    gate.close()
    await sleep(boundMs * 3)
    gate.open()
    await system.until('ready again', async () => (await ready(worker)).status === 200, 30_000)
    await worker.stop()
    expect(await worker.ended).toBe(0)
  }, 60_000)

  test('does not end when it was frozen and thawed', async () => {
    const worker = await workerWithPromotion()
    process.kill(worker.pid, 'SIGSTOP')
    await sleep(boundMs * 2)
    process.kill(worker.pid, 'SIGCONT')
    await system.until('ready again', async () => (await ready(worker)).status === 200, 30_000)
    await sleep(boundMs)
    await worker.stop()
    expect(await worker.ended).toBe(0)
  }, 60_000)
})

describe('ports', () => {
  const env = { ...stackEnv(), PROBE_HOST: '127.0.0.1' } as Record<string, string>

  /** Its first fatal line, or the first of listening. */
  async function firstLine(kind: string, overrides: Record<string, string>): Promise<Record<string, unknown>> {
    const child = spawn(process.execPath, [`src/bin/${kind}.ts`], {
      env: { PATH: process.env.PATH, ...env, ...overrides },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    try {
      for await (const chunk of child.stdout) {
        text += chunk
        const lines = text.split('\n').slice(0, -1)
        for (const line of lines) {
          const parsed = JSON.parse(line) as { msg: string }
          if (/^(fatal|listening)/.test(parsed.msg)) return parsed
        }
      }
      throw new Error(`${kind} said nothing: ${text}`)
    } finally {
      child.kill('SIGKILL')
    }
  }

  test.each([
    ['listener', 'LISTENER_PORT', {}],
    ['worker', 'WORKER_PORT', {}],
    ['admin', 'ADMIN_PORT', {}],
  ])(
    '%s: 0 is any free port, which the log tells; one in use is named with %s',
    async (kind, name) => {
      const first = await firstLine(kind, { [name]: '0' })
      expect(first).toMatchObject({ msg: `listening on port ${first.port} (${name})` })
      expect(first.port).toBeGreaterThan(0)
      const taken = await startGateProxy({ port: 9 })
      const second = await firstLine(kind, { [name]: String(taken.port) })
      await taken.stop()
      expect(second.msg).toBe(
        `fatal: ${name}: port ${taken.port} is in use already; choose another, or 0 for any that is free`,
      )
    },
    30_000,
  )
})
