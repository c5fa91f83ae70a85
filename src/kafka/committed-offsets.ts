import type { Admin, Kafka } from 'kafkajs'
import { CodedError } from '#runtime/errors.ts'

export interface CommittedOffsetsOptions {
  kafka: Kafka
  groupId: string
  topics: readonly string[]
  /** Nothing is committed any more where something was. */
  onGone(error: CodedError): void
}

/** How soon it is seen that a topic was made again on which nothing comes, in ms. */
const LOOK_INTERVAL_MS = 5000

/**
 * Whether the topics are still those that this group has read. A broker that deletes a topic forgets what groups have
 * committed on it; a consumer that was not stopped by that would go on in the new topic at the old offset, and lose every
 * record before it. So what is committed is looked at before each commit, which would hide it, and now and then.
 */
export class CommittedOffsets {
  readonly #options: CommittedOffsetsOptions
  #known = new Set<string>()
  /** Of how many joins: what was read before the last one is out of date. */
  #generation = 0
  #admin: Promise<Admin> | undefined
  readonly #timer: NodeJS.Timeout
  #isStopped = false

  constructor(options: CommittedOffsetsOptions) {
    this.#options = options
    this.#timer = setInterval(() => void this.assertThere().catch(() => undefined), LOOK_INTERVAL_MS)
    this.#timer.unref()
  }

  /** Each partition is read from what is committed now. */
  joined(): void {
    this.#generation += 1
    this.#known = new Set()
    void this.assertThere().catch(() => undefined)
  }

  /** Throws `KAFKA_TOPIC_MADE_AGAIN`, and tells of it, when a committed offset is gone; Kafka's error when it cannot look. */
  async assertThere(): Promise<void> {
    const generation = this.#generation
    const committed = await this.#read()
    if (generation !== this.#generation || this.#isStopped) return
    const gone = [...this.#known].find(name => !committed.has(name))
    if (gone !== undefined) {
      const why = 'the topic was made again, or its records were deleted unread'
      const error = new CodedError('KAFKA_TOPIC_MADE_AGAIN', `the committed offset of ${gone} is gone: ${why}`)
      this.#options.onGone(error)
      throw error
    }
    this.#known = committed
  }

  async #read(): Promise<Set<string>> {
    const { groupId, topics } = this.#options
    if (this.#isStopped) throw new CodedError('KAFKA_STOPPED', 'what is committed is not looked at any more')
    this.#admin ??= this.#connect()
    const admin = this.#admin
    try {
      const offsets = await (await admin).fetchOffsets({ groupId, topics: [...topics] })
      const names = offsets.flatMap(({ topic, partitions }) =>
        partitions
          .filter(({ offset }) => !offset.startsWith('-'))
          .map(({ partition }) => `partition ${partition} of ${topic}`),
      )
      return new Set(names)
    } catch (error) {
      if (this.#admin === admin) this.#admin = undefined
      void disconnect(admin)
      throw error
    }
  }

  async #connect(): Promise<Admin> {
    const admin = this.#options.kafka.admin({ retry: { retries: 1, initialRetryTime: 100 } })
    await admin.connect()
    return admin
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    clearInterval(this.#timer)
    await disconnect(this.#admin)
  }
}

async function disconnect(admin: Promise<Admin> | undefined): Promise<void> {
  await admin?.then(connected => connected.disconnect()).catch(() => undefined)
}
