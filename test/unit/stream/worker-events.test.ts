import type { EventEmitter } from 'node:events'
import { afterEach, expect, jest, test } from '@jest/globals'
import { SafeEmitter } from '#stream/worker-events.ts'

class Emitter extends SafeEmitter<unknown, unknown, string> {
  tell(name: 'error' | 'stalled', what: unknown): void {
    this.announce(name, what as never)
  }

  isHeard(name: 'stalled' | 'error'): boolean {
    return this.hears(name)
  }
}

const turn = () => new Promise(resolve => void setImmediate(resolve))
const boom = () => {
  throw new Error('boom')
}

/** An emitter whose logger writes down, and the warnings of the process. */
function emitterOf(hasLogger: boolean) {
  const lines: string[] = []
  const logger = {
    warn: (_: object, text: string) => lines.push(`warn: ${text}`),
    error: (_: object, text: string) => lines.push(`error: ${text}`),
  }
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  return { emitter: new Emitter(hasLogger ? (logger as never) : undefined), lines, warned }
}

afterEach(() => void jest.restoreAllMocks())

test('an event is heard by whoever listens, with what it tells', () => {
  const { emitter, lines } = emitterOf(true)
  const heard: string[] = []
  expect(emitter.isHeard('stalled')).toBe(false)
  emitter.tell('stalled', '0-0')
  emitter.on('stalled', id => heard.push(id))
  expect(emitter.isHeard('stalled')).toBe(true)
  emitter.tell('stalled', '1-0')
  expect([heard, lines]).toEqual([['1-0'], []])
})

test('an error that nobody hears is in the log, and ends nothing', () => {
  const { emitter, lines } = emitterOf(true)
  emitter.tell('error', new Error('Redis is away'))
  expect(lines).toEqual(['warn: stream worker: Redis is away'])
  const silent = emitterOf(false)
  silent.emitter.tell('error', new Error('Redis is away'))
  expect(silent.warned).not.toHaveBeenCalled()
})

test('a listener that throws, or rejects, is an error event, and in the log', async () => {
  const { emitter, lines, warned } = emitterOf(true)
  const errors: string[] = []
  emitter.on('error', ({ message }) => errors.push(message))
  emitter.once('stalled', boom)
  emitter.tell('stalled', '1-0')
  emitter.once('stalled', async () => boom())
  emitter.tell('stalled', '2-0')
  await turn()
  const message = 'a listener of «stalled» threw: boom'
  expect([errors, lines]).toEqual([
    [message, message],
    [`error: ${message}`, `error: ${message}`],
  ])
  expect(warned).not.toHaveBeenCalled()
})

test('without a logger, and with nobody who hears of errors, it is a warning of the process', () => {
  const { emitter, warned } = emitterOf(false)
  emitter.once('stalled', boom)
  emitter.tell('stalled', '1-0')
  expect(warned).toHaveBeenCalledWith('a listener of «stalled» threw: boom', { code: 'STREAM_LISTENER' })
  const logged = emitterOf(true)
  logged.emitter.once('stalled', boom)
  warned.mockClear()
  logged.emitter.tell('stalled', '1-0')
  expect([logged.lines.length, warned.mock.calls]).toEqual([1, []])
})

test('a listener of errors that throws is not asked about its own error', () => {
  const { emitter, warned } = emitterOf(false)
  let times = 0
  emitter.on('error', () => {
    times += 1
    boom()
  })
  emitter.tell('error', new Error('Redis is away'))
  expect([times, warned.mock.calls.length]).toEqual([1, 1])
})

test('a name of BullMQ’s that never comes is refused, however it is listened for', () => {
  const { emitter } = emitterOf(true)
  for (const listen of ['on', 'once', 'addListener', 'prependListener'] as const)
    expect(() => (emitter as unknown as EventEmitter)[listen]('progress', boom)).toThrow('event progress is left out: ')
})
