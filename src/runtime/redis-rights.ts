import { Cluster, type Redis, ReplyError } from 'ioredis'
import { CodedError, errorLine } from './errors.ts'
import { userOf } from './redis-refusal.ts'

/** Commands that a process will send, each on a key like its own, in a form that changes nothing. */
export interface RightsQuestion {
  /** A key that nobody uses, named like those that the commands are for. */
  key: string
  /**
   * Word by word, with `KEY` for the key; sent in this order, one right after the other. Of XGROUP and XINFO the second word
   * belongs to the name.
   */
  commands: readonly string[]
}

type Refusals = { commands: Set<string>; keys: Set<string>; reason: string }

const WITH_SUBCOMMAND = /^(?:XGROUP|XINFO) \w+|^\S+/

/**
 * Asks whether the user of the client may do what this process will do: a missing right that shows only with the first
 * gift would be a standstill. A server looks at rights before anything else, so that every other refusal is a yes. In a
 * cluster each master has users of its own. Rejects (`REDIS_RIGHTS`) with one line that names setting, user, and every
 * command or key that is refused; rejects too where the server does not answer.
 */
export async function assertRedisRights(
  client: Redis | Cluster,
  setting: string,
  questions: readonly RightsQuestion[],
): Promise<void> {
  const servers = client instanceof Cluster ? client.nodes('master') : [client]
  const refusals = { commands: new Set<string>(), keys: new Set<string>(), reason: '' }
  await Promise.all(servers.flatMap(server => questions.map(question => ask(server, question, refusals))))
  const { commands, keys, reason } = refusals
  if (commands.size === 0 && keys.size === 0) return
  const missing = [
    ...(commands.size === 0 ? [] : [`may not run ${[...commands].join(', ')}`]),
    ...(keys.size === 0 ? [] : [`may not use keys like ${[...keys].map(key => `«${key}»`).join(', ')}`]),
  ]
  throw new CodedError(
    'REDIS_RIGHTS',
    `Redis (${setting}) refuses us: the user «${userOf(client)}» ${missing.join(' and ')}: ${reason}`,
  )
}

async function ask(server: Redis, { key, commands }: RightsQuestion, refusals: Refusals): Promise<void> {
  await Promise.all(
    commands.map(async command => {
      const [name = '', ...args] = command.split(' ').map(word => (word === 'KEY' ? key : word))
      try {
        await server.call(name, ...args)
      } catch (error) {
        if (!(error instanceof ReplyError)) throw error
        const reason = errorLine(error)
        if (!/\bNOPERM\b/.test(reason)) return
        if (/command/.test(reason)) refusals.commands.add(WITH_SUBCOMMAND.exec(command)?.[0] ?? name)
        else refusals.keys.add(key)
        refusals.reason ||= reason
      }
    }),
  )
}
