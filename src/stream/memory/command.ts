import type { Keyspace } from './keyspace.ts'

/** A reply as a client gets it; an error reply is thrown. */
export type Reply = string | number | null | Reply[]

/** One command on the keys, given its arguments without its name. */
export type Command = (keys: Keyspace, args: string[]) => Reply

export type Commands = Readonly<Record<string, Command>>
