/** Topics that a fault run makes, by the end of their names. */
export const TOPICS = ['started', 'voucher', 'point', 'voucher-retry', 'point-retry', 'invalid', 'completed']

/** For every run, unless it says otherwise: quick, so that a fault is felt. */
export const SETTINGS = {
  MONEY_API_TIMEOUT_MS: '1000',
  DATABASE_TIMEOUT_MS: '1000',
  REDIS_STREAM_CLAIM_MIN_IDLE_MS: '10000',
  SWEEP_AGE_MS: '15000',
  SWEEP_INTERVAL_MS: '5000',
  RETRY_BACKOFF_MAX_MS: '5000',
  SHUTDOWN_TIMEOUT_MS: '3000',
  REDIS_STREAM_MAX_CONSUMERS_PER_INSTANCE: '64',
}
