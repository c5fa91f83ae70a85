import { ReplyError } from 'ioredis'

/** An error reply of the server, in its own words. */
export function refusal(message: string): Error {
  return new ReplyError(message)
}

export function wrongArguments(command: string): Error {
  return refusal(`ERR wrong number of arguments for '${command.toLowerCase()}' command`)
}

export const NOT_AN_INTEGER = 'ERR value is not an integer or out of range'

export function integer(text: string | undefined): number {
  if (text === undefined || !/^-?\d{1,16}$/.test(text)) throw refusal(NOT_AN_INTEGER)
  return Number(text)
}
