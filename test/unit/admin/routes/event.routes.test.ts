import { afterEach, expect, test } from '@jest/globals'
import fastify, { type FastifyInstance } from 'fastify'
import { eventRoutes } from '#admin/routes/event.routes.ts'
import type { Sampler, Snapshot } from '#admin/snapshot/sampler.ts'

let app: FastifyInstance | undefined
const aborted = new AbortController()
afterEach(async () => {
  aborted.abort()
  await app?.close()
})

/** Counts how often somebody walks through its promotions: once for each event that is built. */
function snapshotAt(atMs: number, onBuilt: () => void): Snapshot {
  return {
    atMs,
    readAtMs: atMs,
    redisReadAtMs: atMs,
    workers: [],
    around: { instances: [], streamsAnswer: true, databaseMs: 1, kafkaLag: undefined, retriesPaused: false },
    get promotions() {
      onBuilt()
      return []
    },
  }
}

test('an event is built once a snapshot, however many watch; each promotion has its own', async () => {
  let built = 0
  const onBuilt = () => {
    built += 1
  }
  let latest = snapshotAt(1, onBuilt)
  const listeners = new Set<(snapshot: Snapshot) => void>()
  const sampler = {
    fresh: async () => latest,
    history: () => [],
    subscribe: (listener: (snapshot: Snapshot) => void) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  } as unknown as Sampler
  app = fastify()
  app.decorateRequest('cookies', { getter: () => ({}) })
  await app.register(eventRoutes(sampler))
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const watch = async (query: string) => {
    const { body } = await fetch(`${url}/api/events${query}`, { signal: aborted.signal })
    const reader = body!.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    return async (atMs: number) => {
      while (!text.includes(`"atMs":${atMs}`)) {
        const { done, value } = await reader.read()
        if (done) throw new Error(`the stream ended with: ${text}`)
        text += value
      }
      return text
    }
  }
  const all = await Promise.all(Array.from({ length: 5 }, () => watch('')))
  const one = await Promise.all(Array.from({ length: 5 }, () => watch('?promotion=7')))
  const texts = await Promise.all([...all, ...one].map(heard => heard(1)))
  expect(built).toBe(2)
  expect(texts[0]).not.toContain('point')
  expect(texts[9]).toContain('"point":null')

  latest = snapshotAt(2, onBuilt)
  for (const listener of listeners) listener(latest)
  await Promise.all([...all, ...one].map(heard => heard(2)))
  expect(built).toBe(4)
})
