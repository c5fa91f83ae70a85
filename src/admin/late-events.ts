import type { EventProviderService } from '#kafka/event-provider.ts'
import { CodedError, errorLine } from '#runtime/errors.ts'
import { service } from '#runtime/service.ts'
import { within } from '#runtime/within.ts'

const ANSWER_WITHIN_MS = 5000

/**
 * Events of a process that must start, and be looked at, without Kafka: connects when the first event is published, and
 * again after it could not. Rejects with `KAFKA_UNAVAILABLE` within five seconds; such an event may arrive all the same.
 */
export function createLateEventProvider(create: () => EventProviderService): EventProviderService {
  let provider: Promise<EventProviderService> | undefined
  const connected = () => {
    provider ??= (async () => {
      const fresh = create()
      try {
        await fresh.start()
        return fresh
      } catch (error) {
        provider = undefined
        throw error
      }
    })()
    return provider
  }
  return {
    ...service('late-events', {
      start: async () => undefined,
      stop: async () => void (await provider?.then(known => known.stop()).catch(() => undefined)),
    }),
    publish: async event => {
      const published = connected().then(known => known.publish(event))
      try {
        await within(published, ANSWER_WITHIN_MS, () => {
          throw new Error(`no answer within ${ANSWER_WITHIN_MS} ms`)
        })
      } catch (cause) {
        throw new CodedError('KAFKA_UNAVAILABLE', `Kafka does not take the event: ${errorLine(cause)}`, { cause })
      }
    },
  }
}
