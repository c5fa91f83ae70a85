/** A gift's state (docs/state-machines.md). SUCCESS and FAILED are final: no statement of ours leaves them. */
export const PROCESS_STATUSES = ['PENDING', 'RETRYING', 'SUCCESS', 'FAILED', 'UNKNOWN'] as const

export type ProcessStatus = (typeof PROCESS_STATUSES)[number]
