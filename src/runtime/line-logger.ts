/** What is needed of a logger to write a line: fields first, as pino has it. */
export interface LineLogger {
  /** For who looks for a cause. */
  debug(fields: object, message: string): void
  /** What is worth knowing. */
  info(fields: object, message: string): void
  /** What may need somebody. */
  warn(fields: object, message: string): void
  /** What needs somebody. */
  error(fields: object, message: string): void
}
