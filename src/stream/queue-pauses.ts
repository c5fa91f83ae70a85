import { toError } from '#runtime/errors.ts'
import { clientOf, type StreamConnection } from './connection.ts'
import type { PoolMember } from './pool-member.ts'
import { pausedKey } from './stream-name.ts'

/** Tells each whether its queue is paused. Never rejects: where the server does not say, each stays as it is. */
export async function lookUpPauses(connection: StreamConnection, members: readonly PoolMember[]): Promise<void> {
  // In a cluster a shard that is down says nothing of its own streams, and of no others.
  const groups = connection.isCluster ? members.map(member => [member]) : [members]
  await Promise.all(groups.map(group => lookUp(connection, group)))
}

async function lookUp(connection: StreamConnection, members: readonly PoolMember[]): Promise<void> {
  try {
    const values = await clientOf(connection).mget(members.map(({ stream }) => pausedKey(stream)))
    for (const [index, member] of members.entries()) member.setQueuePaused(values[index] !== null)
  } catch (error) {
    members[0]?.reportError(toError(error))
  }
}
