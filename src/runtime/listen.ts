import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { CodedError, errorLine } from './errors.ts'
import type { Logger } from './logger.ts'

export interface ListenOptions {
  host: string
  /** 0: any that is free. */
  port: number
  /** The settings that host and port come from, for whoever has to change them. */
  settings: { host: string; port: string }
  logger: Logger
}

/**
 * Opens the port and logs which one it is. Rejects with `PORT_IN_USE` or `CANNOT_LISTEN`, one line that names the
 * setting to change.
 */
export async function listen(app: FastifyInstance, { host, port, settings, logger }: ListenOptions): Promise<void> {
  try {
    await app.listen({ host, port })
  } catch (error) {
    throw listenError(error as NodeJS.ErrnoException, port, settings)
  }
  const opened = app.server.address() as AddressInfo
  logger.info({ host, port: opened.port }, `listening on port ${opened.port} (${settings.port})`)
}

function listenError(cause: NodeJS.ErrnoException, port: number, settings: ListenOptions['settings']): CodedError {
  switch (cause.code) {
    case 'EADDRINUSE':
      return new CodedError(
        'PORT_IN_USE',
        `${settings.port}: port ${port} is in use already; choose another, or 0 for any that is free`,
        { cause },
      )
    case 'EACCES':
      return new CodedError('CANNOT_LISTEN', `${settings.port}: this user may not open port ${port}`, { cause })
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new CodedError('CANNOT_LISTEN', `${settings.host} is no address of this machine`, { cause })
    default:
      return new CodedError('CANNOT_LISTEN', `${settings.host}, ${settings.port}: ${errorLine(cause)}`, { cause })
  }
}
