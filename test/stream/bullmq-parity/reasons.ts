/** Why a title of BullMQ’s does not apply here: «not applicable, because …». */

export const NO_FLOWS = 'there are no flows: an entry has no parent and no children'
export const IN_ORDER = 'a stream is read in its order'
export const NO_PROGRESS = 'an entry has no progress: it is handled or it is not'
export const NO_RETURN_VALUE = 'what a handler returns beyond an outcome is not kept: done is gone'
export const NOTHING_IS_KEPT =
  'no job is kept: done is acknowledged and deleted in one step, and what failed for good is a dead letter'
export const NO_SETS =
  'there is no set of failed or completed jobs to take one back from; a dead letter is added again by its fields'
export const NO_PRIORITY = 'entries have no priority: a stream is read in its order'
export const NO_STEPS = 'an entry does not change: a handler keeps its steps where it keeps its data'
export const BACK_OFF_IS_THE_WORKERS =
  'the back-off is the worker’s (maxBackoffMs), not the job’s; retryLater takes any pause'
export const HANDLERS_ONLY = 'entries are handed to a handler only; nobody fetches one by hand'
export const NOTHING_BLOCKS = 'nothing blocks: one connection serves everybody, and an idle stream is polled'
export const OWN_CONNECTION =
  'the connection is a StreamConnection of our own, not a client handed in; its options are checked (test/unit/stream/options)'
export const LIMIT_IS_FIXED =
  'a limit is set with the worker, and not changed by a handler; retryLater gives one entry a pause'
export const SLOTS_ARE_A_PROCESSES =
  'slots are bounded in a process (concurrency, maxInFlight); over all processes a limiter bounds the rate'
export const EVENTS_ARE_THE_WORKERS = 'events are the worker’s own: there is no stream of events over all processes'
export const NO_DELAYED_JOBS = 'an entry is not added with a delay'
export const NO_NAMES =
  'an entry says which handler it is for by its stream; a consumer’s name stands in XINFO CONSUMERS'
export const NO_STARTS = 'starts are not counted apart from deliveries'
