import { type ConnectionOptions, createSecureContext } from 'node:tls'
import { readSecret } from './secret-files.ts'

/** Whom a process speaks TLS to with certificates of the installation's own. */
type TlsPeer = 'MONEY_API' | 'KAFKA' | 'REDIS'

type FileSetting<Peer extends TlsPeer> = `${Peer}_${'CA' | 'CERT' | 'KEY'}_FILE`

/** Files of the TLS to one of them, PEM; none = the certificates that Node trusts, and no certificate of ours. */
export type TlsFiles<Peer extends TlsPeer> = Partial<Record<FileSetting<Peer>, string | undefined>>

export type MoneyTlsFiles = TlsFiles<'MONEY_API'>

export type TlsOptions = Pick<ConnectionOptions, 'ca' | 'cert' | 'key'>

/**
 * What `tls.connect` takes. A private CA stands instead of the public ones, so that nobody else's certificate is taken.
 * @throws Error of one line that names the setting.
 */
export function tlsOf<Peer extends TlsPeer>(peer: Peer, files: TlsFiles<Peer>): TlsOptions {
  const names = namesOf(peer)
  const contents = names.map(name => (files[name] === undefined ? undefined : readSecret(name, files[name] ?? '')))
  const [ca, cert, key] = contents
  const options = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
  try {
    createSecureContext(options)
  } catch (error) {
    const [first = '', ...others] = names.filter(name => files[name] !== undefined)
    const beside = others.length === 0 ? '' : ` (beside ${others.join(', ')})`
    throw new Error(
      `${first}${beside} cannot be used: ${(error as { code?: string }).code ?? (error as Error).message}`,
    )
  }
  return options
}

export const hasTlsFiles = <Peer extends TlsPeer>(peer: Peer, files: TlsFiles<Peer>): boolean =>
  namesOf(peer).some(name => files[name] !== undefined)

/**
 * Tells of files that do not fit together, cannot be read, or would never be used.
 * @param inClear why nothing is said in TLS; undefined where it is.
 */
export function checkTlsFiles<Peer extends TlsPeer>(
  peer: Peer,
  files: TlsFiles<Peer>,
  inClear: string | undefined,
  complain: (name: string, message: string) => void,
): void {
  const [ca, cert, key] = namesOf(peer)
  const isPair = (files[cert] === undefined) === (files[key] === undefined)
  if (!isPair) complain(files[cert] === undefined ? cert : key, 'is not set: certificate and key belong together')
  const unused = [ca, cert].filter(name => inClear !== undefined && files[name] !== undefined)
  for (const name of unused) complain(name, `is set, but ${inClear}`)
  if (!isPair || unused.length > 0) return
  try {
    tlsOf(peer, files)
  } catch (error) {
    const [name = '', ...rest] = (error as Error).message.split(' ')
    complain(name, rest.join(' '))
  }
}

const namesOf = <Peer extends TlsPeer>(peer: Peer) =>
  [`${peer}_CA_FILE`, `${peer}_CERT_FILE`, `${peer}_KEY_FILE`] as const
