/** A word of BullMQ's that is left out on purpose; its sentence says what to use instead, in the compiler's error too. */
export interface LeftOut<Sentence extends string> {
  readonly 'left out': Sentence
}

/** Options of BullMQ's `queue.add(name, data, options)`. */
export const JOB_OPTIONS = {
  attempts: 'attempts are the worker’s: new StreamWorker(name, handler, { attempts })',
  backoff: 'the back-off is the worker’s: new StreamWorker(name, handler, { backoff })',
  continueParentOnFailure: 'there are no flows: a handler adds the next entry when it is done',
  deduplication:
    'entries are not compared: make the handler idempotent, or keep a key of your own (SET key NX PX) before add',
  delay: 'a stream has no delays: use a delayed BullMQ job whose processor adds the entry',
  failParentOnFailure: 'there are no flows: a handler adds the next entry when it is done',
  ignoreDependencyOnFailure: 'there are no flows: a handler adds the next entry when it is done',
  jobId: 'the id is Redis’s own: carry yours in data, and make the handler idempotent by it',
  keepLogs: 'an entry has no log: log in the handler',
  lifo: 'a stream is first in, first out: use another stream for what shall go first',
  parent: 'there are no flows: a handler adds the next entry when it is done',
  prevMillis: 'there are no repeated entries: use a BullMQ job scheduler whose processor adds the entry',
  priority: 'a stream has one order: use a stream for each priority, and give their workers one StreamPool',
  removeDependencyOnFailure: 'there are no flows: a handler adds the next entry when it is done',
  removeOnComplete: 'nothing is kept: what is done is deleted at once; leave the option out',
  removeOnFail: 'what failed for good is kept on the stream {name}:dead-letter; leave the option out',
  repeat: 'there are no repeated entries: use a BullMQ job scheduler whose processor adds the entry',
  repeatJobKey: 'there are no repeated entries: use a BullMQ job scheduler whose processor adds the entry',
  sizeLimit: 'measure the data before add, or in a codec’s encode, which may throw',
  stackTraceLimit: 'stack traces are not kept: the event «failed» carries the error',
  telemetry: 'give the queue `hooks`, which are called around add and handler',
  timestamp: 'the time is in the id, by the server’s clock: entry.timestamp',
} as const

/** Options of BullMQ's `new Queue`. */
export const QUEUE_OPTIONS = {
  blockingConnection: 'nothing blocks here: leave it out',
  defaultJobOptions: 'entries have no options; attempts and backoff are the worker’s',
  prefix: 'the name is the stream’s key as it is: put the prefix before it',
  settings: 'there are no repeated entries: use a BullMQ job scheduler whose processor adds the entry',
  skipMetasUpdate: 'a queue writes nothing about itself: leave it out',
  skipVersionCheck: 'what the server can do is asked of it: leave it out',
  skipWaitingForReady: 'nothing waits at the start: leave it out, and await waitUntilReady() where you want to',
  streams: 'there is no event stream: listen to the worker’s events',
  telemetry: 'give the queue `hooks`, which are called around add and handler',
} as const

/** Options of BullMQ's `new Worker`. */
export const WORKER_OPTIONS = {
  blockingConnection: 'nothing blocks here: leave it out',
  drainDelay: 'use pollIntervalMs: the longest pause between two reads of an idle stream',
  lockDuration: 'use claimMinIdleMs: an entry unacknowledged this long belongs to a dead worker',
  lockRenewTime: 'entries are renewed every third of claimMinIdleMs: leave it out',
  maxStalledCount: 'use attempts: a run whose process died counts as one that failed',
  maxStartedAttempts: 'use attempts: a run whose process died counts as one that failed',
  maximumRateLimitDelay: 'what got no permit waits for the next window: leave it out',
  metrics: 'use queue.getJobCounts() and `hooks`',
  name: 'use consumer: the name in the group',
  prefix: 'the name is the stream’s key as it is: put the prefix before it',
  removeOnComplete: 'nothing is kept: what is done is deleted at once; leave the option out',
  removeOnFail: 'what failed for good is kept on the stream {name}:dead-letter; leave the option out',
  runRetryDelay: 'reads are tried again by themselves: leave it out',
  settings: 'give the strategy as backoff: (attemptsMade, error, entry) => ms',
  skipLockRenewal: 'entries are renewed while their handler runs: leave it out',
  skipStalledCheck: 'what dead workers left is always claimed: leave it out',
  skipVersionCheck: 'what the server can do is asked of it: leave it out',
  skipWaitingForReady: 'nothing waits at the start: leave it out, and await waitUntilReady() where you want to',
  stalledInterval: 'use claimMinIdleMs: an entry unacknowledged this long belongs to a dead worker',
  telemetry: 'give the worker `hooks`, which are called around each handler',
  useWorkerThreads: 'start a process a core, or call a worker pool of your own from the handler',
  workerForkOptions: 'start a process a core: each may have a worker of the same group',
  workerThreadsOptions: 'start a process a core, or call a worker pool of your own from the handler',
} as const

/** Methods of BullMQ's `Queue`. */
export const QUEUE_METHODS = {
  clean: 'what is done is gone already; dead letters lie on {name}:dead-letter, a stream of their own',
  drain: 'use obliterate(), which removes the backlog too',
  getActive: 'entries in flight are known to their workers: worker.inFlight; getJobCounts() counts them',
  getCompleted: 'nothing is kept: listen to the worker’s «completed»',
  getDelayed: 'a stream has no delays: use a delayed BullMQ job whose processor adds the entry',
  getFailed: 'read {name}:dead-letter: a StreamQueue of that name has entries()',
  getJob: 'entries are not looked up by id: has([id]) tells whether one still exists',
  getJobLogs: 'an entry has no log: log in the handler',
  getJobScheduler: 'there are no repeated entries: use a BullMQ job scheduler whose processor adds the entry',
  getJobSchedulers: 'there are no repeated entries: use a BullMQ job scheduler whose processor adds the entry',
  getJobs: 'use entries(); a StreamQueue named {name}:dead-letter has what failed for good',
  getWaiting: 'use entries() for what is on the stream',
  promoteJobs: 'a stream has no delays: nothing is to be promoted',
  removeJobScheduler: 'there are no repeated entries: use a BullMQ job scheduler whose processor adds the entry',
  retryJobs: 'add what the dead letter carries once more',
  setGlobalConcurrency: 'concurrency is each worker’s, or a process’s by StreamPool({ maxInFlight })',
  setGlobalRateLimit: 'give the workers limiter: { max, duration }',
  upsertJobScheduler: 'there are no repeated entries: use a BullMQ job scheduler whose processor adds the entry',
} as const

/** Methods of BullMQ's `Worker`. */
export const WORKER_METHODS = {
  cancelAllJobs: 'close(true) aborts every handler by its signal',
  cancelJob: 'a handler is aborted only when its worker closes: by its second argument, a signal',
  extendJobLocks: 'entries are renewed by themselves while their handler runs',
  getNextJob: 'entries come to the handler: autorun: false and run() decide from when on',
  processJob: 'entries come to the handler: autorun: false and run() decide from when on',
  rateLimit: 'return retryLater({ delayMs, reason }) from the handler, and pause() the worker where all shall wait',
  startStalledCheckTimer: 'what dead workers left is always claimed',
} as const

type Sentences = Readonly<Record<string, string>>
/** The same names, as what no value fits and nothing can call. */
export type LeftOutOf<Table extends Sentences> = { [Word in keyof Table]?: LeftOut<Table[Word]> }

/** Throws a TypeError with the sentence of the first option that is left out here. */
export function assertNoneLeftOut(options: object, table: Sentences, where: string): void {
  for (const [option, sentence] of Object.entries(table)) {
    if ((options as Record<string, unknown>)[option] !== undefined)
      throw new TypeError(`${where}${option} is left out: ${sentence}`)
  }
}

/** Gives a class the methods that it leaves out; each throws a TypeError with its sentence. */
export function leaveOutMethods(prototype: object, table: Sentences): void {
  for (const [method, sentence] of Object.entries(table)) {
    const refuse = () => {
      throw new TypeError(`${method} is left out: ${sentence}`)
    }
    Object.defineProperty(prototype, method, { value: refuse, configurable: true })
  }
}
