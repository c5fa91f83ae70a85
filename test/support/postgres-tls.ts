import { chmodSync, chownSync, copyFileSync, mkdtempSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Kysely, sql } from 'kysely'
import { runCommand } from '#local/servers/command.ts'

export interface PostgresTls {
  /** The file of the certificate that signs the server's. */
  ca: string
  stop(): Promise<void>
}

/** Each takes effect for new connections; who does not ask for TLS is served as before. */
export async function useCertificate(kysely: Kysely<unknown>, { cert, key }: { cert: string; key: string }) {
  const set = async (name: string, value: string) => {
    await sql`alter system set ${sql.raw(name)} = ${sql.lit(value)}`.execute(kysely)
  }
  const { rows } = await sql<{ folder: string }>`select current_setting('data_directory') as folder`.execute(kysely)
  const { uid, gid } = statSync(rows[0]!.folder)
  const folder = mkdtempSync(join(tmpdir(), 'promostream-postgres-key-'))
  const [ownKey, ownCert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  copyFileSync(key, ownKey)
  copyFileSync(cert, ownCert)
  chmodSync(ownKey, 0o600)
  for (const file of [folder, ownKey, ownCert]) chownSync(file, uid, gid)
  await set('ssl_key_file', ownKey)
  await set('ssl_cert_file', ownCert)
  await set('ssl', 'on')
  await sql`select pg_reload_conf()`.execute(kysely)
  return {
    stop: async () => {
      await set('ssl', 'off')
      await sql`select pg_reload_conf()`.execute(kysely)
      await rm(folder, { recursive: true })
    },
  }
}

/** Switches TLS on at the run's own PostgreSQL: who does not ask for it is served as before. */
export async function switchTlsOn(kysely: Kysely<unknown>): Promise<PostgresTls> {
  const folder = mkdtempSync(join(tmpdir(), 'promostream-postgres-tls-'))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  const request = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    key,
    '-out',
    cert,
    ...subject,
  ]
  await runCommand('openssl', request, { env: process.env })
  const { rows } = await sql<{ folder: string }>`select current_setting('data_directory') as folder`.execute(kysely)
  const { uid, gid } = statSync(rows[0]!.folder)
  for (const file of [folder, key, cert]) chownSync(file, uid, gid)
  chmodSync(key, 0o600)
  const set = async (name: string, value: string) => {
    await sql`alter system set ${sql.raw(name)} = ${sql.lit(value)}`.execute(kysely)
  }
  await set('ssl_key_file', key)
  await set('ssl_cert_file', cert)
  await set('ssl', 'on')
  await sql`select pg_reload_conf()`.execute(kysely)
  return {
    ca: cert,
    stop: async () => {
      await set('ssl', 'off')
      await sql`select pg_reload_conf()`.execute(kysely)
      await rm(folder, { recursive: true })
    },
  }
}
