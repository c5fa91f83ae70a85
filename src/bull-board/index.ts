/** Any StreamQueue on a Bull-Board. Knows the framework by its door, and nothing of promotions. */
export { StreamQueueAdapter, type StreamQueueAdapterOptions } from './stream-queue-adapter.ts'
