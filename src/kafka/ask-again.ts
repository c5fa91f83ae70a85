import { createRetryer } from '#runtime/retryer.ts'

interface AskAgainOptions {
  maxRetries: number
  initialDelayMs: number
  maxDelayMs: number
}

/**
 * Asks again what a broker answered with an error that it calls passing: a topic just made has no leader for a moment, a
 * coordinator moves or reads its log. kafkajs itself asks again only where it finds no broker.
 */
export function askAgain(options: AskAgainOptions) {
  return createRetryer({ ...options, isRetriable: saysItPasses })
}

function saysItPasses(error: Error): boolean {
  return error.name === 'KafkaJSProtocolError' && (error as { retriable?: boolean }).retriable === true
}
