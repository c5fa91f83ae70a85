import { SortedById } from './sorted-by-id.ts'
import type { StreamId } from './stream-id.ts'

/** One entry that was handed out and not acknowledged. */
export interface PendingMark {
  readonly id: StreamId
  readonly text: string
  consumer: string
  /** When it was handed out last, by the server's clock, in ms. */
  deliveredAtMs: number
  deliveries: number
}

export interface Consumer {
  /** Last attempt to do anything, and last time it got something, by the server's clock, in ms. */
  seenAtMs: number
  activeAtMs: number
  pending: number
}

/** A consumer group: how far it is, who is in it, and what was handed out. */
export class MemoryGroup {
  lastDelivered: StreamId
  readonly pending: SortedById<PendingMark>
  readonly consumers: Map<string, Consumer>

  constructor(
    lastDelivered: StreamId,
    pending = new SortedById<PendingMark>(),
    consumers: ReadonlyMap<string, Consumer> = new Map(),
  ) {
    this.lastDelivered = lastDelivered
    this.pending = pending
    this.consumers = new Map([...consumers].map(([name, consumer]) => [name, { ...consumer }]))
  }

  copy(): MemoryGroup {
    const pending = new SortedById([...this.pending.values()].map(mark => ({ ...mark })))
    return new MemoryGroup(this.lastDelivered, pending, this.consumers)
  }

  /** The consumer of that name, made where there is none. */
  consumer(name: string, nowMs: number): Consumer {
    let consumer = this.consumers.get(name)
    if (consumer === undefined) {
      consumer = { seenAtMs: nowMs, activeAtMs: -1, pending: 0 }
      this.consumers.set(name, consumer)
    }
    return consumer
  }

  handOut(mark: PendingMark): void {
    this.settle(mark.text)
    this.pending.add(mark)
    this.consumer(mark.consumer, mark.deliveredAtMs).pending += 1
  }

  /** Gives it to another consumer. */
  move(mark: PendingMark, name: string, nowMs: number): void {
    const from = this.consumers.get(mark.consumer)
    if (from !== undefined) from.pending -= 1
    this.consumer(name, nowMs).pending += 1
    mark.consumer = name
  }

  /** Forgets that it was handed out; false when it was not. */
  settle(text: string): boolean {
    const mark = this.pending.get(text)
    if (mark === undefined) return false
    this.pending.delete(text)
    const consumer = this.consumers.get(mark.consumer)
    if (consumer !== undefined) consumer.pending -= 1
    return true
  }

  /** With everything it holds, as XGROUP DELCONSUMER does; returns how many that were. */
  removeConsumer(name: string): number {
    const own = [...this.pending.values()].filter(mark => mark.consumer === name)
    for (const mark of own) this.settle(mark.text)
    this.consumers.delete(name)
    return own.length
  }
}
