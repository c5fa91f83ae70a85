/** Words of BullMQ's that are left out on purpose, each with what to use instead. */

const CONCURRENCY = 'concurrency is each worker’s, or a process’s by StreamPool({ maxInFlight })'
const COUNTS = 'use getJobCounts() or counts()'
const NO_DELAYS = 'a stream has no delays: use a delayed BullMQ job whose processor adds the entry'
const NO_EVENTS = 'a queue has no events: what fails rejects the call; listen to the worker’s events'
const NO_FLOWS = 'there are no flows: a handler adds the next entry when it is done'
const NO_LOG = 'an entry has no log: log in the handler'
const NO_PROGRESS = 'progress is not kept: write it where its readers look'
const NO_REPEATS = 'there are no repeated entries: use a BullMQ job scheduler whose processor adds the entry'
const NOT_COMPARED =
  'entries are not compared: make the handler idempotent, or keep a key of your own (SET key NX PX) before add'
const NOT_KEPT = 'nothing is kept: listen to the worker’s «completed»'
const NOT_NOW = 'return retryLater({ delayMs, reason }) from the handler'
const OWN_CLIENT = 'make a client of ioredis of your own for commands of your own'
const ONE_ORDER = 'a stream has one order: use a stream for each priority, and give their workers one StreamPool'
const PLAIN = 'a job is plain: id, name, data, deliveries'
const RATE_LIMIT = 'give the workers limiter: { max, duration }'
const REASON = 'the event «failed» carries the error, a dead letter its reason'
const RENEWED = 'entries are renewed by themselves while their handler runs'
const STATE = 'ask the stream: queue.has([id]), queue.pending({ id }), queue.deadLetters()'

/** Options of BullMQ's `queue.add(name, data, options)`. */
export const JOB_OPTIONS = {
  attempts: 'attempts are the worker’s: new StreamWorker(name, handler, { attempts })',
  backoff: 'the back-off is the worker’s: new StreamWorker(name, handler, { backoff })',
  continueParentOnFailure: NO_FLOWS,
  debounce: NOT_COMPARED,
  deduplication: NOT_COMPARED,
  delay: NO_DELAYS,
  failParentOnFailure: NO_FLOWS,
  ignoreDependencyOnFailure: NO_FLOWS,
  jobId: 'the id is Redis’s own: carry yours in data, and make the handler idempotent by it',
  keepLogs: NO_LOG,
  lifo: 'a stream is first in, first out: use another stream for what shall go first',
  parent: NO_FLOWS,
  prevMillis: NO_REPEATS,
  priority: ONE_ORDER,
  removeDependencyOnFailure: NO_FLOWS,
  removeOnComplete: 'nothing is kept: what is done is deleted at once; leave the option out',
  removeOnFail: 'the bounds of dead letters are the worker’s: new StreamWorker(name, handler, { removeOnFail })',
  repeat: NO_REPEATS,
  repeatJobKey: NO_REPEATS,
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
  settings: NO_REPEATS,
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
  addJobLog: NO_LOG,
  clean: 'what is done is gone already; dead letters go by discard({ before })',
  count: COUNTS,
  disconnect: 'use close()',
  drain: 'use obliterate(), which removes the backlog too',
  emit: NO_EVENTS,
  exportPrometheusMetrics: 'use getJobCounts() and `hooks` with your own metrics',
  getActive: 'use pending(), and get(ids) for what they hold',
  getActiveCount: COUNTS,
  getBackend: 'there is one backend: Redis Streams',
  getCompleted: NOT_KEPT,
  getCompletedCount: NOT_KEPT,
  getCountsPerPriority: ONE_ORDER,
  getDebounceJobId: NOT_COMPARED,
  getDeduplicationJobId: NOT_COMPARED,
  getDelayed: NO_DELAYS,
  getDelayedCount: NO_DELAYS,
  getDependencies: NO_FLOWS,
  getFailed: 'use deadLetters().page() or deadLetters().list()',
  getFailedCount: COUNTS,
  getGlobalConcurrency: CONCURRENCY,
  getGlobalRateLimit: RATE_LIMIT,
  getJob: 'use get([id]) for what is on the stream, deadLetters().get(id) for what failed for good',
  getJobCountByTypes: COUNTS,
  getJobLogs: NO_LOG,
  getJobScheduler: NO_REPEATS,
  getJobSchedulers: NO_REPEATS,
  getJobSchedulersCount: NO_REPEATS,
  getJobState: STATE,
  getJobs: 'use page(); deadLetters().page() has what failed for good',
  getMeta: 'a queue writes nothing about itself',
  getMetrics: 'use getJobCounts() and `hooks` with your own metrics',
  getPrioritized: ONE_ORDER,
  getPrioritizedCount: ONE_ORDER,
  getQueueEvents: 'there is no event stream: listen to the worker’s events',
  getRanges: 'use page() for what is on the stream',
  getRateLimitTtl: RATE_LIMIT,
  getRepeatableJobs: NO_REPEATS,
  getVersion: 'a queue writes nothing about itself',
  getWaiting: 'use page() for what is on the stream',
  getWaitingChildren: NO_FLOWS,
  getWaitingChildrenCount: NO_FLOWS,
  getWaitingCount: COUNTS,
  getWorkers: 'use pendingSummary(), which names the consumers that hold something',
  getWorkersCount: 'use pendingSummary(), which names the consumers that hold something',
  isMaxed: CONCURRENCY,
  off: NO_EVENTS,
  on: NO_EVENTS,
  once: NO_EVENTS,
  promoteJobs: NO_DELAYS,
  rateLimit: RATE_LIMIT,
  recordJobCountsMetric: 'use getJobCounts() and `hooks` with your own metrics',
  removeDebounceKey: NOT_COMPARED,
  removeDeduplicationKey: NOT_COMPARED,
  removeDeprecatedPriorityKey: ONE_ORDER,
  removeGlobalConcurrency: CONCURRENCY,
  removeGlobalRateLimit: RATE_LIMIT,
  removeJobScheduler: NO_REPEATS,
  removeOrphanedJobs: 'an entry is one stream entry and nothing else: none is orphaned',
  removeRateLimitKey: RATE_LIMIT,
  removeRepeatable: NO_REPEATS,
  removeRepeatableByKey: NO_REPEATS,
  retryJobs: 'use replay({}), or replay(filter), which adds dead letters again',
  setGlobalConcurrency: CONCURRENCY,
  setGlobalRateLimit: RATE_LIMIT,
  trace: 'give the queue `hooks`, which are called around add and handler',
  trimEvents: 'there is no event stream: listen to the worker’s events',
  updateJobProgress: NO_PROGRESS,
  upsertJobScheduler: NO_REPEATS,
} as const

/** Properties of BullMQ's `Queue`. */
export const QUEUE_PROPERTIES = {
  backend: 'there is one backend: Redis Streams',
  client: OWN_CLIENT,
  closing: 'await close(), which every call may',
  defaultJobOptions: 'entries have no options; attempts and backoff are the worker’s',
  jobScheduler: NO_REPEATS,
  jobsOpts: 'entries have no options; attempts and backoff are the worker’s',
  keys: 'the name is the stream’s key as it is',
  metaValues: 'a queue writes nothing about itself',
  opts: 'keep the options where you made the queue',
  qualifiedName: 'use name: the stream’s key as it is',
  repeat: NO_REPEATS,
  toKey: 'the name is the stream’s key as it is',
  token: 'entries are renewed by themselves while their handler runs',
} as const

/** Methods of BullMQ's `Worker`. */
export const WORKER_METHODS = {
  cancelAllJobs: 'close(true) aborts every handler by its signal',
  cancelJob: 'a handler is aborted only when its worker closes: by its second argument, a signal',
  delay: 'wait in your own code; return retryLater({ delayMs, reason }) to come back later',
  disconnect: 'use close()',
  extendJobLocks: RENEWED,
  getBackend: 'there is one backend: Redis Streams',
  getNextJob: 'entries come to the handler: autorun: false and run() decide from when on',
  processJob: 'entries come to the handler: autorun: false and run() decide from when on',
  rateLimit: 'return retryLater({ delayMs, reason }) from the handler, and pause() the worker where all shall wait',
  startStalledCheckTimer: 'what dead workers left is always claimed',
  trace: 'give the worker `hooks`, which are called around each handler',
} as const

/** What BullMQ's `Worker` has on the class. */
export const WORKER_STATICS = { RateLimitError: NOT_NOW } as const

/** Events of BullMQ's `Worker`. */
export const WORKER_EVENTS = {
  'ioredis:close':
    'the connection’s logger tells of one that is lost, connection.onReconnect(listener) of one that is back',
  lockRenewalFailed: 'entries are renewed by themselves; one that is lost is told as «stalled»',
  locksRenewed: RENEWED,
  progress: NO_PROGRESS,
} as const

/** Properties of BullMQ's `Worker`. */
export const WORKER_PROPERTIES = {
  backend: 'there is one backend: Redis Streams',
  client: OWN_CLIENT,
  closing: 'await close(), which every call may',
  id: 'use consumer: the name in the group',
  jobScheduler: NO_REPEATS,
  keys: 'the name is the stream’s key as it is',
  maximumBlockTimeout: 'nothing blocks here: pollIntervalMs is the longest pause between two reads',
  minimumBlockTimeout: 'nothing blocks here: pollIntervalMs is the longest pause between two reads',
  opts: 'keep the options where you made the worker',
  qualifiedName: 'use name: the stream’s key as it is',
  toKey: 'the name is the stream’s key as it is',
} as const

/** Methods of BullMQ's `Job`. */
export const JOB_METHODS = {
  addJob: 'use queue.add()',
  asJSON: PLAIN,
  asJSONSandbox: PLAIN,
  changeDelay: NOT_NOW,
  changePriority: ONE_ORDER,
  clearLogs: NO_LOG,
  discard: 'throw an error whose name is UnrecoverableError, or return deadLetter(reason)',
  extendLock: RENEWED,
  getChildrenValues: NO_FLOWS,
  getDependencies: NO_FLOWS,
  getDependenciesCount: NO_FLOWS,
  getFailedChildrenValues: NO_FLOWS,
  getIgnoredChildrenFailures: NO_FLOWS,
  getState: STATE,
  isActive: STATE,
  isCompleted: STATE,
  isDelayed: STATE,
  isFailed: STATE,
  isWaiting: STATE,
  isWaitingChildren: NO_FLOWS,
  log: NO_LOG,
  moveToCompleted: 'return from the handler: it is acknowledged and deleted',
  moveToDelayed: NOT_NOW,
  moveToFailed: 'throw, which counts an attempt, or return deadLetter(reason)',
  moveToWait: NOT_NOW,
  moveToWaitingChildren: NO_FLOWS,
  promote: NO_DELAYS,
  remove: 'return from the handler: it is acknowledged and deleted',
  removeChildDependency: NO_FLOWS,
  removeDeduplicationKey: NOT_COMPARED,
  removeUnprocessedChildren: NO_FLOWS,
  retry: 'throw to be tried again; queue.replay(id) brings a dead letter back',
  toFlowEntry: NO_FLOWS,
  updateData: 'data is what was added: a handler may add another entry',
  updateProgress: NO_PROGRESS,
  waitUntilFinished: NOT_KEPT,
} as const

/** What BullMQ's `Job` has on the class. */
export const JOB_STATICS = {
  addJobLog: NO_LOG,
  create: 'use queue.add()',
  createBulk: 'use queue.addBulk()',
  fromId: 'use queue.get([id])',
  fromJSON: 'use queue.get([id])',
  optsFromJSON: 'entries have no options',
} as const

/** Properties of BullMQ's `Job`. */
export const JOB_PROPERTIES = {
  attemptsStarted: 'use deliveries: this run included',
  debounceId: NOT_COMPARED,
  deduplicationId: NOT_COMPARED,
  deferredFailure: REASON,
  delay: NO_DELAYS,
  failedReason: REASON,
  finishedOn: 'times are not kept: measure in `hooks`',
  opts: 'entries have no options; attempts and backoff are the worker’s',
  parent: NO_FLOWS,
  parentKey: NO_FLOWS,
  prefix: 'use stream: the key of the stream',
  priority: ONE_ORDER,
  processedBy: 'use worker.consumer',
  processedOn: 'times are not kept: measure in `hooks`',
  progress: NO_PROGRESS,
  queueName: 'use stream: the key of the stream',
  queueQualifiedName: 'use stream: the key of the stream',
  repeatJobKey: NO_REPEATS,
  returnvalue: NOT_KEPT,
  stacktrace: REASON,
  stalledCounter: 'use attemptsMade: a run whose process died counts as one that failed',
  token: RENEWED,
} as const
