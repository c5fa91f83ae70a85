import type { StreamConnection } from '#stream/connection.ts'
import { IMMEDIATE_LINK, type MemoryLink } from '#stream/memory/memory-client.ts'
import { createMemoryConnection } from '#stream/memory/memory-connection.ts'
import { type Answer, MemoryServer } from '#stream/memory/memory-server.ts'

/** What is heard instead of the server's answer: `unheard`: it is done, and the answer lost. */
type Fate = Error | 'unheard' | undefined

export interface MemoryRig extends AsyncDisposable {
  server: MemoryServer
  connection: StreamConnection
  /** Every command that came since the connection was there, its name as it was sent. */
  sent: string[][]
  /** Asked about each command before the server does it. */
  fateOf: (command: readonly string[]) => Fate
  /** Asks the server beside the connection. */
  ask(...command: (string | number)[]): unknown
}

const TIMED_OUT = new Error('Command timed out')

/** A server inside the process whose commands are seen, and fail when a test says so. */
export async function memoryRig({ isConnected = true, hasAckDel = true } = {}): Promise<MemoryRig> {
  const server = new MemoryServer({ hasAckDel })
  const sent: string[][] = []
  const link: MemoryLink = {
    ...IMMEDIATE_LINK,
    carry: (command, execute, settle) => {
      sent.push([...command])
      IMMEDIATE_LINK.carry(command, () => answerTo(command, execute), settle)
    },
  }
  const answerTo = (command: readonly string[], execute: () => Answer): Answer => {
    const fate = rig.fateOf(command)
    if (fate instanceof Error) return { error: fate }
    const answer = execute()
    return fate === 'unheard' ? { error: TIMED_OUT } : answer
  }
  const connection = createMemoryConnection(server, { link })
  const rig: MemoryRig = {
    server,
    connection,
    sent,
    fateOf: () => undefined,
    ask: (...command) => {
      const answer = server.execute(command.map(String))
      if ('error' in answer) throw answer.error
      return answer.reply
    },
    [Symbol.asyncDispose]: () => connection.close(),
  }
  if (isConnected) await connection.ready()
  sent.length = 0
  return rig
}
