import calculateSlot from 'cluster-key-slot'
import { type Cluster, ReplyError } from 'ioredis'
import type { StreamConnection } from './connection.ts'

/** Where to look: is there an entry after this id? */
export interface Look {
  stream: string
  afterId: string
}

/** Most streams of one command, or of one pipeline. */
const BATCH = 500

/**
 * The streams that have an entry after that id. One multi-key XREAD for all of them; in a cluster, where a command may
 * touch one slot only, one pipeline a node. Rejects when the server does not answer.
 */
export async function streamsBeyond(connection: StreamConnection, looks: readonly Look[]): Promise<Set<string>> {
  const groups = connection.isCluster ? byNode(connection.client as Cluster, looks) : [looks]
  const batches = groups.flatMap(group => chunks(group, BATCH))
  const found = await Promise.all(
    batches.map(batch => (connection.isCluster ? peekEach(connection, batch) : peekAll(connection, batch))),
  )
  return new Set(found.flat())
}

async function peekAll(connection: StreamConnection, looks: readonly Look[]): Promise<string[]> {
  const [names, ids] = [looks.map(({ stream }) => stream), looks.map(({ afterId }) => afterId)]
  try {
    const reply = await connection.client.xread('COUNT', 1, 'STREAMS', ...names, ...ids)
    return ((reply ?? []) as [string, unknown][]).map(([name]) => name)
  } catch (error) {
    // One key of another type fails the command for all: each finds out for itself.
    if (error instanceof ReplyError) return names
    throw error
  }
}

async function peekEach(connection: StreamConnection, looks: readonly Look[]): Promise<string[]> {
  const pipeline = connection.client.pipeline()
  for (const { stream, afterId } of looks) pipeline.xread('COUNT', 1, 'STREAMS', stream, afterId)
  const replies = (await pipeline.exec()) ?? []
  // A slot that moves away, or a key of another type: a read of its own deals with it.
  return looks.flatMap(({ stream }, index) => (replies[index]?.every(part => part === null) ? [] : [stream]))
}

/** One group for each node that serves some of the streams. */
function byNode({ slots }: Cluster, looks: readonly Look[]): Look[][] {
  const groups = Map.groupBy(looks, ({ stream }) => slots[calculateSlot(stream)]?.join(';'))
  return [...groups.values()]
}

function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, index) =>
    list.slice(index * size, (index + 1) * size),
  )
}
