/** What is needed of a logger to write a line: fields first, as pino has it. */
export interface LineLogger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
