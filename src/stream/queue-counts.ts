/** How many entries there are. */
export interface StreamCounts {
  /** Entries on the stream. With ack-and-delete = waiting + pending. */
  length: number
  /** Not yet handed to any consumer. */
  waiting: number
  /** Handed out and not acknowledged. */
  pending: number
}

/** As BullMQ's: how many entries are in which state. */
export interface JobCounts {
  /** Not yet handed to any worker. */
  waiting: number
  /** Handed to a worker and not acknowledged: in flight, or put off after a failure. */
  active: number
  /** Dead letters. */
  failed: number
}
