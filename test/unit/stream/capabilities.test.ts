import { once } from 'node:events'
import { expect, test } from '@jest/globals'
import { clientOf } from '#stream/connection.ts'
import { IMMEDIATE_LINK, type MemoryLink } from '#stream/memory/memory-client.ts'
import { createMemoryConnection } from '#stream/memory/memory-connection.ts'
import { MemoryServer } from '#stream/memory/memory-server.ts'

test('a server that does not say, after a reconnect, what it can do gets only what every server knows', async () => {
  const server = new MemoryServer({ hasAckDel: true })
  let isSilent = false
  const link: MemoryLink = {
    ...IMMEDIATE_LINK,
    carry: (command, execute, settle) => {
      if (!isSilent || command[0] !== 'COMMAND') IMMEDIATE_LINK.carry(command, execute, settle)
    },
  }
  const connection = createMemoryConnection(server, { link, commandTimeoutMs: 50 })
  await connection.ready()
  expect(connection.capabilities.ackDel).toBe(true)
  // A failover to an older one, whose first answer never comes.
  server.hasAckDel = false
  isSilent = true
  const back = new Promise<void>(resolve => connection.onReconnect(resolve))
  server.cutConnections()
  await once(clientOf(connection), 'ready')
  await back
  expect(connection.capabilities.ackDel).toBe(false)
  await connection.close()
})
