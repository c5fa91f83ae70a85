import { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'

/**
 * A listener that is killed between insert and XADD: at the `CHAOS_KILL_AT`-th gift whose row is saved and whose entry
 * is about to be sent. Nothing of the product knows of it.
 */
let left = Number(process.env.CHAOS_KILL_AT)
const { enqueueEach } = PromotionStreamProducer.prototype
PromotionStreamProducer.prototype.enqueueEach = function (streamKey, entries) {
  left -= entries.length
  if (left <= 0) process.kill(process.pid, 'SIGKILL')
  return enqueueEach.call(this, streamKey, entries)
}

await import('#bin/listener.ts')
