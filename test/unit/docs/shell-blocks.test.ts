import { createHmac, createPublicKey } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { loadConfig } from '#config/load.ts'
import { workerSchema } from '#config/schemas.ts'
import { runWell, shellBlock } from '#test/support/doc-shell.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'promostream-shell-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Runs the shell block of a page that holds a command, behind these lines. */
async function runBlock(page: string, command: string, before = '', env: Record<string, string> = {}): Promise<string> {
  const script = `${before}\n${shellBlock(page, command)}`
  return (await runWell(script, { cwd: folder, env: { PATH: process.env.PATH, ...env } })).stdout
}

test('docs/seal.md makes a key that workers take, and the public key that belongs to it', async () => {
  await runBlock('docs/seal.md', 'openssl genpkey')
  const config = loadConfig(workerSchema, {
    DATABASE_URL: 'postgres://a@127.0.0.1/b',
    REDIS_URL: 'redis://127.0.0.1',
    KAFKA_BROKERS: '127.0.0.1:9092',
    MONEY_API_URL: 'http://127.0.0.1',
    MONEY_API_TOKEN: 'x',
    SEAL_PRIVATE_KEY_FILE: join(folder, 'promostream-seal.pem'),
  })
  const ours = createPublicKey(config.SEAL_PRIVATE_KEY!).export({ type: 'spki', format: 'pem' })
  expect(readFileSync(join(folder, 'promostream-seal.pub'), 'utf8')).toBe(ours)
})

test('docs/admin.md signs the hook as the admin reads it', async () => {
  const secret = 'a secret of 32 characters or more'
  const said = await runBlock('docs/admin.md', '/hooks/promotion-started', `curl() { printf '%s\\n' "$@"; }`, {
    ADMIN_HOOK_SECRET: secret,
  })
  const words = said.trim().split('\n')
  const headerOf = (name: string) => words.find(word => word.startsWith(`${name}: `))?.slice(name.length + 2)
  const body = words[words.indexOf('-d') + 1]
  const at = headerOf('x-promostream-timestamp')
  expect(Math.abs(Number(at) - Date.now() / 1000)).toBeLessThan(60)
  expect(headerOf('x-promostream-signature')).toBe(
    `sha256=${createHmac('sha256', secret).update(`${at}.${body}`).digest('hex')}`,
  )
  expect(headerOf('content-type')).toBe('application/json')
  expect(JSON.parse(body!)).toEqual({ promotionId: '42', totalCount: 1_000_000, type: 'VOUCHER' })
  expect(words).toContain('http://127.0.0.1:3000/hooks/promotion-started')
})
