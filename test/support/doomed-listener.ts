import { PromotionStreamProducer } from '#promotion/intake/stream-producer.ts'

/**
 * A listener that is killed between insert and XADD: at the `CHAOS_KILL_AT`-th gift whose row is saved and whose entry
 * is about to be sent. Nothing of the product knows of it.
 */
let left = Number(process.env.CHAOS_KILL_AT)
const { enqueue } = PromotionStreamProducer.prototype
PromotionStreamProducer.prototype.enqueue = function (...args) {
  left -= 1
  if (left <= 0) process.kill(process.pid, 'SIGKILL')
  return enqueue.apply(this, args)
}

await import('#bin/listener.ts')
