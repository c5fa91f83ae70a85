import { EventEmitter } from 'node:events'
import { expect, test } from '@jest/globals'
import { ReplyError } from 'ioredis'
import { StreamConnection } from '#stream/connection.ts'
import { streamsBeyond } from '#stream/peek.ts'

type Reply = [stream: string, entries: unknown[]][] | null

/** A connection whose server answers each XREAD by what `answer` says of its streams. */
function connectionOf(answer: (streams: string[], ids: string[]) => Reply) {
  const asked: { streams: string[]; ids: string[] }[] = []
  const client = Object.assign(new EventEmitter(), {
    defineCommand: () => undefined,
    xread: async (...args: (string | number)[]) => {
      const names = args.slice(3).map(String)
      const [streams, ids] = [names.slice(0, names.length / 2), names.slice(names.length / 2)]
      asked.push({ streams, ids })
      return answer(streams, ids)
    },
  })
  return { asked, connection: new StreamConnection({ url: 'redis://127.0.0.1:1' }, () => client as never) }
}

const looks = Array.from({ length: 1200 }, (_, at) => ({ stream: `s${at}`, afterId: `${at}-0` }))

test('many streams are asked in batches of 500, each once, after its own id', async () => {
  const { asked, connection } = connectionOf(streams => [[streams[0] as string, []]])
  expect(await streamsBeyond(connection, looks)).toEqual(new Set(['s0', 's500', 's1000']))
  expect(asked.map(({ streams }) => streams.length)).toEqual([500, 500, 200])
  expect(asked.flatMap(({ streams }) => streams)).toEqual(looks.map(({ stream }) => stream))
  expect(asked.flatMap(({ ids }) => ids)).toEqual(looks.map(({ afterId }) => afterId))
})

test('where no stream has more, none is found', async () => {
  const { connection } = connectionOf(() => null)
  expect(await streamsBeyond(connection, looks.slice(0, 2))).toEqual(new Set())
})

test('streams of a batch without an answer are among those found; without any answer it rejects', async () => {
  const { connection } = connectionOf(streams => {
    if (streams.includes('s500')) throw new Error('away')
    return null
  })
  expect(await streamsBeyond(connection, looks)).toEqual(new Set(looks.slice(500, 1000).map(({ stream }) => stream)))
  await expect(streamsBeyond(connection, looks.slice(500, 501))).rejects.toThrow('away')
})

test('a key that is no stream fails the command for all: each finds out for itself', async () => {
  const { connection } = connectionOf(() => {
    throw new ReplyError('WRONGTYPE Operation against a key holding the wrong kind of value')
  })
  expect(await streamsBeyond(connection, looks.slice(0, 2))).toEqual(new Set(['s0', 's1']))
})
