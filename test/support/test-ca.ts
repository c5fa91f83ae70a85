import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from '#local/servers/command.ts'

/** Files, PEM. `both`: key and certificate in one file. */
export interface Certificate {
  cert: string
  key: string
  both: string
}

export interface TestCa {
  /** Its own certificate. */
  ca: string
  /** Of 127.0.0.1 and no other name. */
  server: Certificate
  /** The same, and no longer valid since yesterday. */
  expired: Certificate
  /** Of a client. */
  client: Certificate
  /** Another authority's own certificate: it vouches for nothing here. */
  otherCa: string
  stop(): Promise<void>
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

/** A certificate authority of the test's own, whose files everybody may read: servers run as other users. */
export async function createTestCa(): Promise<TestCa> {
  const folder = mkdtempSync(join(tmpdir(), 'promostream-ca-'))
  chmodSync(folder, 0o755)
  const openssl = (...args: string[]) => runCommand('openssl', args, { env: process.env, cwd: folder })
  const pathOf = (name: string) => join(folder, name)
  const authority = async (name: string) => {
    await openssl(
      'req',
      '-x509',
      ...KEY,
      '-days',
      '2',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
      '-subj',
      `/CN=${name}`,
    )
    return pathOf(`${name}.pem`)
  }
  const certificate = async (name: string, days: number, extension: string): Promise<Certificate> => {
    writeFileSync(pathOf(`${name}.ext`), extension)
    await openssl('req', ...KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', String(days)]
    await openssl('x509', '-req', '-in', `${name}.csr`, ...signed, '-extfile', `${name}.ext`, '-out', `${name}.pem`)
    const [cert, key, both] = [pathOf(`${name}.pem`), pathOf(`${name}.key`), pathOf(`${name}-both.pem`)]
    writeFileSync(both, readFileSync(key, 'utf8') + readFileSync(cert, 'utf8'))
    for (const file of [cert, key, both]) chmodSync(file, 0o644)
    return { cert, key, both }
  }
  const ca = await authority('ca')
  const otherCa = await authority('other-ca')
  const address = 'subjectAltName=IP:127.0.0.1\n'
  return {
    ca,
    otherCa,
    server: await certificate('server', 2, address),
    expired: await certificate('expired', -1, address),
    client: await certificate('client', 2, 'extendedKeyUsage=clientAuth\n'),
    stop: () => rm(folder, { recursive: true }),
  }
}
