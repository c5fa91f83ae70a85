import type { Cluster, Redis } from 'ioredis'
import { LRUCache } from 'lru-cache'
import { answerOr } from '#runtime/within.ts'

/** A session's cookie outlives its logout in whoever copied it: what was logged out is remembered until it expires. */
export interface RevokedSessions {
  add(sessionId: string): Promise<void>
  has(sessionId: string): Promise<boolean>
}

/**
 * Over all instances through Redis. When Redis does not answer, only what this process saw logged out is refused: people
 * must be able to look at an installation whose Redis is away.
 */
export function createRevokedSessions(redis: Redis | Cluster, maxAgeSeconds: number): RevokedSessions {
  const key = (sessionId: string) => `promostream:admin:logged-out:${sessionId}`
  const here = new LRUCache<string, true>({ max: 10_000, ttl: maxAgeSeconds * 1000 })
  return {
    add: async sessionId => {
      here.set(sessionId, true)
      await answerOr<unknown>(redis.set(key(sessionId), '1', 'EX', maxAgeSeconds), undefined)
    },
    has: async sessionId => here.has(sessionId) || (await answerOr(redis.exists(key(sessionId)), 0)) === 1,
  }
}
