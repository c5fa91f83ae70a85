import calculateSlot from 'cluster-key-slot'
import { type Cluster, ReplyError } from 'ioredis'
import { clientOf, type StreamConnection } from './connection.ts'

/** Where to look: is there an entry after this id? */
export interface Look {
  stream: string
  afterId: string
}

/** Most streams of one command, or of one pipeline. */
const BATCH = 500

/**
 * The streams that have an entry after that id. One multi-key XREAD for all of them; in a cluster, where a command may
 * touch one slot only, one pipeline a node. Rejects when no server answers; streams of a node that does not answer beside
 * others that do are among those found, so that each finds out for itself.
 */
export async function streamsBeyond(connection: StreamConnection, looks: readonly Look[]): Promise<Set<string>> {
  const batches = byNode(connection, looks).flatMap(group => chunks(group, BATCH))
  const found = await Promise.allSettled(
    batches.map(batch => (connection.isCluster ? peekEach(connection, batch) : peekAll(connection, batch))),
  )
  const [failed] = found.filter(({ status }) => status === 'rejected')
  if (failed?.status === 'rejected' && found.every(({ status }) => status === 'rejected')) throw failed.reason
  return new Set(
    found.flatMap((answer, index) =>
      answer.status === 'fulfilled' ? answer.value : (batches[index] as Look[]).map(({ stream }) => stream),
    ),
  )
}

async function peekAll(connection: StreamConnection, looks: readonly Look[]): Promise<string[]> {
  const [names, ids] = [looks.map(({ stream }) => stream), looks.map(({ afterId }) => afterId)]
  try {
    const reply = await clientOf(connection).xread('COUNT', 1, 'STREAMS', ...names, ...ids)
    return ((reply ?? []) as [string, unknown][]).map(([name]) => name)
  } catch (error) {
    // One key of another type fails the command for all: each finds out for itself.
    if (error instanceof ReplyError) return names
    throw error
  }
}

async function peekEach(connection: StreamConnection, looks: readonly Look[]): Promise<string[]> {
  const pipeline = clientOf(connection).pipeline()
  for (const { stream, afterId } of looks) pipeline.xread('COUNT', 1, 'STREAMS', stream, afterId)
  const replies = (await pipeline.exec()) ?? []
  // A slot that moves away, or a key of another type: a read of its own deals with it.
  return looks.flatMap(({ stream }, index) => (replies[index]?.every(part => part === null) ? [] : [stream]))
}

/** One group for each node that serves some of the streams; one in all where there is one server. */
export function byNode<Item extends { stream: string }>(
  connection: StreamConnection,
  items: readonly Item[],
): Item[][] {
  if (!connection.isCluster) return [[...items]]
  const { slots } = clientOf(connection) as Cluster
  return [...Map.groupBy(items, ({ stream }) => slots[calculateSlot(stream)]?.join(';')).values()]
}

function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, index) =>
    list.slice(index * size, (index + 1) * size),
  )
}
