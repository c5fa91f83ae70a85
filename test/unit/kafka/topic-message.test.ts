import { describe, expect, test } from '@jest/globals'
import { toTopicMessage } from '#kafka/topic-message.ts'
import { collectSpans } from '#test/support/spans.ts'

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const record = (more: object = {}) =>
  ({ offset: '9007199254740993', key: Buffer.from('k'), value: null, timestamp: '1764000000000', ...more }) as never
const bare = { topic: 'gifts', partition: 3, offset: '9007199254740993', key: Buffer.from('k'), value: null }

test('a record is where it stood, its key and value as they came, and when it was written', () => {
  expect(toTopicMessage('gifts', 3, record())).toEqual({ ...bare, timestampMs: 1_764_000_000_000 })
})

test.each(['-1', '0', '', undefined])('of one that was written at %j nobody says when', timestamp => {
  expect(toTopicMessage('gifts', 3, record({ timestamp }))).toEqual(bare)
})

test('a trace is not read while nothing is traced', () => {
  expect(toTopicMessage('gifts', 3, record({ headers: { traceparent: TRACEPARENT } }))).not.toHaveProperty(
    'traceparent',
  )
})

describe('where gifts are traced', () => {
  collectSpans()

  test.each([
    ['as text', TRACEPARENT],
    ['as bytes', Buffer.from(TRACEPARENT)],
  ])('the trace of whoever wrote it is read: %s', (_name, traceparent) => {
    expect(toTopicMessage('gifts', 3, record({ headers: { traceparent } }))).toMatchObject({ traceparent: TRACEPARENT })
  })

  test.each([
    ['no headers', undefined],
    ['none', {}],
    ['several', { traceparent: [TRACEPARENT, TRACEPARENT] }],
  ])('%s: no trace', (_name, headers) => {
    expect(toTopicMessage('gifts', 3, record({ headers }))).not.toHaveProperty('traceparent')
  })
})
