import '#runtime/node-version.cjs'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { errorLine } from '#runtime/errors.ts'
import { hashPassword } from '#runtime/password.ts'

/** A first login for who tries it out: passwords made once, kept in a folder that only these containers see. */
const USERS = [
  { name: 'operator', role: 'operator', file: 'operator-password', mode: 0o600 },
  // Prometheus runs as another user.
  { name: 'prometheus', role: 'viewer', file: 'prometheus-password', mode: 0o644 },
] as const

const options = new Command('login')
  .description('creates an operator and a user for Prometheus once, and prints the login')
  .requiredOption('--folder <path>', 'where passwords and admin-users are kept')
  .requiredOption('--url <url>', 'where the admin is reached')
  .parse()
  .opts<{ folder: string; url: string }>()

try {
  await makeUsers(options.folder)
  const password = readFileSync(join(options.folder, 'operator-password'), 'utf8').trim()
  process.stdout.write(`${options.url} — log in as operator with ${password}\n`)
} catch (error) {
  process.stderr.write(`promostream login: ${errorLine(error)}\n`)
  process.exitCode = 1
}

/** `admin-users` comes last, whole or not at all: who finds it finds passwords that fit. */
async function makeUsers(folder: string): Promise<void> {
  const users = join(folder, 'admin-users')
  if (existsSync(users)) return
  const lines: string[] = []
  for (const { name, role, file, mode } of USERS) {
    const password = randomBytes(15).toString('base64url')
    put(join(folder, file), password, mode)
    lines.push(`${name}:${role}:${await hashPassword(password)}`)
  }
  put(users, lines.join(','), 0o600)
}

function put(path: string, content: string, mode: number): void {
  writeFileSync(`${path}.draft`, `${content}\n`, { mode })
  renameSync(`${path}.draft`, path)
}
