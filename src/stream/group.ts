import { errorLine } from '#runtime/errors.ts'
import { clientOf, runScript, type StreamConnection } from './connection.ts'
import type { RawEntry } from './entry.ts'
import type { Settlement } from './read-run.ts'
import { ackDelete, ackOwned, forgive, removeConsumer, removeDeadConsumers, renewOwned } from './scripts.ts'

/** Makes stream and group at id 0, so that what was added before is delivered; one that exists is fine. */
export async function ensureGroup(connection: StreamConnection, stream: string, group: string): Promise<void> {
  try {
    await clientOf(connection).xgroup('CREATE', stream, group, '0', 'MKSTREAM')
  } catch (error) {
    const reason = errorLine(error)
    if (reason.includes('BUSYGROUP')) return
    // Out of memory a server refuses this even where both exist. Reading and deleting need none, and make room.
    if (!reason.includes('OOM ') || !(await isThere(connection, stream, group))) throw error
  }
}

async function isThere(connection: StreamConnection, stream: string, group: string): Promise<boolean> {
  return (await lastDelivered(connection, stream, group).catch(() => undefined)) !== undefined
}

/** The last id that the group was given; undefined without a group. Rejects without a stream. */
async function lastDelivered(connection: StreamConnection, stream: string, name: string): Promise<string | undefined> {
  const groups = (await clientOf(connection).xinfo('GROUPS', stream)) as unknown[][]
  const fields = groups.find(group => group[group.indexOf('name') + 1] === name)
  return fields === undefined ? undefined : (fields[fields.indexOf('last-delivered-id') + 1] as string)
}

/** An entry that was taken or found again: its fields (null when it was deleted) and the server's count of deliveries. */
export interface FoundEntry {
  id: string
  fields: string[] | null
  deliveries: number
}

/** `count`: what the server's count of deliveries becomes; without it, it stays. */
export interface Renewal {
  id: string
  /** Its deliveries from now on; missing = as they are. */
  count?: number
  /** `next`: one more than it has, `over`: one less; and `count` at most. Missing: `count` itself. */
  step?: 'next' | 'over' | undefined
}

/** How `renewOwned` is told of a step. */
const STEP_SIGNS = { next: '+', over: '-' } as const

/** Entries of one call of a script. */
const SCRIPT_BATCH = 500

/** XACKDEL's answers for one id: it was not pending; it was acknowledged, and kept because somebody may need it. */
const NOT_PENDING = -1
const KEPT = 2

/** One consumer's raw commands on one group of one stream; no state but their names. */
export class ConsumerGroup {
  readonly stream: string
  readonly group: string
  readonly consumer: string
  readonly #connection: StreamConnection

  constructor(connection: StreamConnection, names: { stream: string; group: string; consumer: string }) {
    this.#connection = connection
    this.stream = names.stream
    this.group = names.group
    this.consumer = names.consumer
  }

  get #client() {
    return clientOf(this.#connection)
  }

  /** Makes stream and group at id 0, so that what was added before is delivered; one that exists is fine. */
  ensure(): Promise<void> {
    return ensureGroup(this.#connection, this.stream, this.group)
  }

  /** At most `count` entries that nobody was given yet. Never blocks. */
  async read(count: number): Promise<RawEntry[]> {
    const { group, consumer, stream } = this
    const reply = await this.#client.xreadgroup('GROUP', group, consumer, 'COUNT', count, 'STREAMS', stream, '>')
    return ((reply as [string, RawEntry[]][] | null)?.[0]?.[1] ?? []) as RawEntry[]
  }

  /** The last id that the group was given; undefined without a group. */
  lastDeliveredId(): Promise<string | undefined> {
    return lastDelivered(this.#connection, this.stream, this.group)
  }

  /**
   * A page of this consumer's own pending entries after `afterId`, with how often each was delivered. Does not count
   * as a delivery, unlike XREADGROUP with an id.
   */
  async ownPending(afterId: string, count: number): Promise<{ id: string; deliveries: number }[]> {
    const start = afterId === '' ? '-' : `(${afterId}`
    const rows = await this.#client.xpending(this.stream, this.group, start, '+', count, this.consumer)
    return (rows as [string, string, number, number][]).map(([id, , , deliveries]) => ({ id, deliveries }))
  }

  /** The bodies of entries; null fields for one that was deleted. */
  async bodies(ids: readonly string[]): Promise<RawEntry[]> {
    const pipeline = this.#client.pipeline()
    for (const id of ids) pipeline.xrange(this.stream, id, id)
    const replies = (await pipeline.exec()) ?? []
    return ids.map((id, index) => {
      const [error, found] = replies[index] ?? [new Error('no reply'), null]
      if (error !== null) throw error
      return (found as [string, string[]][])[0] ?? [id, null]
    })
  }

  /** Is any entry, of whomever, unacknowledged for that long? */
  async hasStale(minIdleMs: number): Promise<boolean> {
    const rows = await this.#client.xpending(this.stream, this.group, 'IDLE', minIdleMs, '-', '+', 1)
    return rows.length > 0
  }

  /** Takes entries idle for `minIdleMs` from whoever holds them; counts no delivery. `cursor` goes on from a call before. */
  async claim(minIdleMs: number, cursor: string, count: number): Promise<{ cursor: string; entries: FoundEntry[] }> {
    const { stream, group, consumer } = this
    const reply = await this.#client.xautoclaim(stream, group, consumer, minIdleMs, cursor, 'COUNT', count, 'JUSTID')
    const [next, ids, deleted = []] = reply as [string, string[], string[]?]
    const gone = deleted.map((id): FoundEntry => ({ id, fields: null, deliveries: 0 }))
    return { cursor: next, entries: [...(await this.#look(ids)), ...gone] }
  }

  /** What the server has of each: its fields, and how often it was delivered. */
  async #look(ids: readonly string[]): Promise<FoundEntry[]> {
    if (ids.length === 0) return []
    const rows = Promise.all(ids.map(id => this.#client.xpending(this.stream, this.group, id, id, 1)))
    const [bodies, pending] = await Promise.all([this.bodies(ids), rows])
    return ids.map((id, index) => {
      const [row] = pending[index] as [string, string, number, number][]
      return { id, fields: bodies[index]?.[1] ?? null, deliveries: row?.[3] ?? 0 }
    })
  }

  /** Entries that are still ours look idle for `idleMs` afterwards (0 = renewed). @returns those, with their deliveries. */
  async renew(renewals: readonly Renewal[], idleMs = 0): Promise<Map<string, number>> {
    const owned = new Map<string, number>()
    for (let from = 0; from < renewals.length; from += SCRIPT_BATCH) {
      const pairs = renewals
        .slice(from, from + SCRIPT_BATCH)
        .flatMap(({ id, count = '', step }) => [id, `${step === undefined ? '' : STEP_SIGNS[step]}${count}`])
      const args = [this.group, this.consumer, idleMs, ...pairs]
      const reply = (await runScript(this.#connection, renewOwned, this.stream, args)) as (string | number)[]
      for (let at = 0; at < reply.length; at += 2) owned.set(reply[at] as string, reply[at + 1] as number)
    }
    return owned
  }

  /** Takes back one delivery of each, whoever owns it by now. */
  async forgive(ids: readonly string[]): Promise<void> {
    await runScript(this.#connection, forgive, this.stream, [this.group, ...ids.slice(0, SCRIPT_BATCH)])
    if (ids.length > SCRIPT_BATCH) await this.forgive(ids.slice(SCRIPT_BATCH))
  }

  /**
   * Acknowledges and deletes, in one step; what another group on the stream may still need is kept. At most 500 ids: a
   * script's unpack and the server's patience are bounded.
   */
  async acknowledge({ ids, stretches, inside }: Settlement): Promise<{ hasOtherGroup: boolean }> {
    const { stream, group } = this
    if (!this.#connection.capabilities.ackDel) {
      const ends = stretches.flatMap(({ from, to }) => [from, to])
      const args = [group, ends.length, inside, ...ends, ...ids]
      return { hasOtherGroup: Number(await runScript(this.#connection, ackDelete, stream, args)) > 0 }
    }
    const args = [group, 'ACKED', 'IDS', ids.length, ...ids]
    const answers = (await this.#client.call('XACKDEL', stream, ...args)) as number[]
    const hasOtherGroup = answers.includes(KEPT)
    // The group was made again meanwhile: done is done, or it would be handed out anew.
    const left = ids.filter((_, index) => answers[index] === NOT_PENDING)
    if (left.length === 0) return { hasOtherGroup }
    const others = await runScript(this.#connection, ackDelete, stream, [group, 0, 0, ...left])
    return { hasOtherGroup: hasOtherGroup || Number(others) > 0 }
  }

  /** Acknowledges and deletes an entry unless it has become another's. @returns whether it was still ours. */
  async ackOwned(id: string): Promise<boolean> {
    return (await runScript(this.#connection, ackOwned, this.stream, [this.group, this.consumer, id])) === 1
  }

  /** How many groups the stream has; 0 without a stream. */
  async countGroups(): Promise<number> {
    return ((await this.#client.xinfo('GROUPS', this.stream)) as unknown[]).length
  }

  async removeDeadConsumers(silentMs: number): Promise<number> {
    return (await runScript(this.#connection, removeDeadConsumers, this.stream, [
      this.group,
      this.consumer,
      silentMs,
    ])) as number
  }

  /** Leaves the group unless something is still pending on this consumer. */
  async leave(): Promise<void> {
    await runScript(this.#connection, removeConsumer, this.stream, [this.group, this.consumer])
  }
}
