import type { Admin, Kafka } from 'kafkajs'
import { CodedError } from '#runtime/errors.ts'
import type { NextOffset } from './offset-committer.ts'

export interface CommittedOffsetsOptions {
  kafka: Kafka
  groupId: string
  topics: readonly string[]
  /** As the member that joined last. */
  commit(offsets: NextOffset[]): Promise<void>
  /** Nothing is committed any more where something was. */
  onGone(error: CodedError): void
}

/** How soon it is seen that a topic was made again on which nothing comes, in ms. */
const LOOK_INTERVAL_MS = 5000

/**
 * Whether the topics are still those that this group has read. A broker that deletes a topic forgets what groups have
 * committed on it; a consumer that was not stopped by that would go on in the new topic at the old offset, and lose every
 * record before it. So what is committed is looked at before each commit, which would hide it, and now and then. A partition
 * on which nothing was ever committed would leave no trace: its beginning is committed before the first of its records is
 * handled, and what was fetched before that is fetched again.
 */
export class CommittedOffsets {
  readonly #options: CommittedOffsetsOptions
  #known = new Set<string>()
  #assigned: Readonly<Record<string, readonly number[]>> = {}
  #begun: Promise<void> | undefined
  #toFetchAgain = new Map<string, string>()
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

  /** Each partition is read from what is committed now, or from its beginning. */
  joined(assigned: Readonly<Record<string, readonly number[]>>): void {
    this.#generation += 1
    this.#known = new Set()
    this.#assigned = assigned
    this.#begun = undefined
    void this.#begin().catch(() => undefined)
  }

  /**
   * From which offset a batch is to be fetched again, as it may be older than the first commit; undefined: it may be handled.
   * Throws Kafka's error when that cannot be told.
   */
  async fetchAgainFrom(topic: string, partition: number): Promise<string | undefined> {
    await this.#begin()
    const name = nameOf(topic, partition)
    const offset = this.#toFetchAgain.get(name)
    this.#toFetchAgain.delete(name)
    return offset
  }

  /** Throws `KAFKA_TOPIC_MADE_AGAIN`, and tells of it, when a committed offset is gone; Kafka's error when it cannot look. */
  async assertThere(): Promise<void> {
    const generation = this.#generation
    await this.#begin()
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

  /** Once for each join. */
  #begin(): Promise<void> {
    const begun = this.#begun ?? this.#commitBeginnings()
    this.#begun = begun
    begun.catch(() => {
      if (this.#begun === begun) this.#begun = undefined
    })
    return begun
  }

  async #commitBeginnings(): Promise<void> {
    const generation = this.#generation
    const committed = await this.#read()
    const beginnings: NextOffset[] = []
    for (const [topic, partitions] of Object.entries(this.#assigned)) {
      if (partitions.every(partition => committed.has(nameOf(topic, partition)))) continue
      for (const { partition, low } of await this.#ask(admin => admin.fetchTopicOffsets(topic)))
        if (partitions.includes(partition) && !committed.has(nameOf(topic, partition)))
          beginnings.push({ topic, partition, offset: low })
    }
    if (beginnings.length > 0) await this.#options.commit(beginnings)
    if (generation !== this.#generation) return this.#begin()
    this.#toFetchAgain = new Map(
      beginnings.map(({ topic, partition, offset }) => [nameOf(topic, partition), offset] as const),
    )
    this.#known = new Set([...committed, ...this.#toFetchAgain.keys()])
  }

  async #read(): Promise<Set<string>> {
    const { groupId, topics } = this.#options
    const offsets = await this.#ask(admin => admin.fetchOffsets({ groupId, topics: [...topics] }))
    const names = offsets.flatMap(({ topic, partitions }) =>
      partitions.filter(({ offset }) => !offset.startsWith('-')).map(({ partition }) => nameOf(topic, partition)),
    )
    return new Set(names)
  }

  async #ask<Answer>(question: (admin: Admin) => Promise<Answer>): Promise<Answer> {
    if (this.#isStopped) throw new CodedError('KAFKA_STOPPED', 'what is committed is not looked at any more')
    this.#admin ??= this.#connect()
    const admin = this.#admin
    try {
      return await question(await admin)
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

function nameOf(topic: string, partition: number): string {
  return `partition ${partition} of ${topic}`
}

async function disconnect(admin: Promise<Admin> | undefined): Promise<void> {
  await admin?.then(connected => connected.disconnect()).catch(() => undefined)
}
