import { expect, test } from '@jest/globals'
import { askAgain } from '#kafka/ask-again.ts'

const failure = (name: string, retriable?: boolean) => Object.assign(new Error(name), { name, retriable })

/** How often a question is put that fails so each time but the third. */
async function asked(error: Error): Promise<number> {
  let times = 0
  const again = askAgain({ maxRetries: 4, initialDelayMs: 1, maxDelayMs: 1 })
  const question = again(async () => {
    times += 1
    if (times < 3) throw error
  })
  await question.catch(thrown => expect(thrown).toBe(error))
  return times
}

test('a broker’s error that passes is asked about again, until it has passed', async () => {
  expect(await asked(failure('KafkaJSProtocolError', true))).toBe(3)
})

test.each([
  ['a broker’s error that stays', failure('KafkaJSProtocolError', false)],
  ['one that does not say whether it passes', failure('KafkaJSProtocolError')],
  ['what kafkajs has asked again about itself', failure('KafkaJSNumberOfRetriesExceeded', true)],
])('%s is told at once', async (_name, error) => {
  expect(await asked(error)).toBe(1)
})
