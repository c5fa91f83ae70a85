import { type Logger as PinoLogger, pino } from 'pino'
import { isTracing, traceBindings } from './tracing.ts'

export type Logger = Pick<PinoLogger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'child' | 'level'>

/** Where a secret can sit in what we log. ioredis hangs the command, AUTH's password included, on its errors. */
const REDACTED_PATHS = [
  'err.command',
  'error.command',
  'err.cause.command',
  '*.password',
  '*.token',
  '*.secret',
  'authorization',
  '*.authorization',
  'headers.authorization',
  'req.headers.authorization',
  'req.headers.cookie',
  'url',
]

/** One JSON line an event on stdout, ISO times, secrets replaced. `level` is one of pino's. */
export function createLogger(name: string, level: string): Logger {
  return pino({
    name,
    level,
    timestamp: pino.stdTimeFunctions.isoTime,
    ...(isTracing() ? { mixin: traceBindings } : {}),
    redact: { paths: REDACTED_PATHS, censor: '[redacted]' },
  })
}
