import { type ConnectionOptions, createSecureContext } from 'node:tls'
import { readSecret } from './secret-files.ts'

/** Files of the TLS to the Money API, PEM; none = the certificates that Node trusts, and no certificate of ours. */
export interface MoneyTlsFiles {
  MONEY_API_CA_FILE?: string | undefined
  MONEY_API_CERT_FILE?: string | undefined
  MONEY_API_KEY_FILE?: string | undefined
}

/**
 * What `tls.connect` takes. A private CA stands instead of the public ones, so that nobody else's certificate is taken.
 * @throws Error of one line that names the setting.
 */
export function moneyTlsOf(files: MoneyTlsFiles): Pick<ConnectionOptions, 'ca' | 'cert' | 'key'> {
  const options = {
    ...contentOf('ca', 'MONEY_API_CA_FILE', files),
    ...contentOf('cert', 'MONEY_API_CERT_FILE', files),
    ...contentOf('key', 'MONEY_API_KEY_FILE', files),
  }
  try {
    createSecureContext(options)
  } catch (error) {
    const [first = '', ...others] = (
      ['MONEY_API_CA_FILE', 'MONEY_API_CERT_FILE', 'MONEY_API_KEY_FILE'] as const
    ).filter(name => files[name] !== undefined)
    const beside = others.length === 0 ? '' : ` (beside ${others.join(', ')})`
    throw new Error(
      `${first}${beside} cannot be used: ${(error as { code?: string }).code ?? (error as Error).message}`,
    )
  }
  return options
}

function contentOf(option: 'ca' | 'cert' | 'key', name: keyof MoneyTlsFiles, files: MoneyTlsFiles) {
  const path = files[name]
  return path === undefined ? {} : { [option]: readSecret(name, path) }
}
