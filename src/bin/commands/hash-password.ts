import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { Command } from 'commander'
import { CodedError } from '#runtime/errors.ts'
import { hashPassword } from '#runtime/password.ts'
import { print } from './command-line.ts'

const MAX_LENGTH = 1024

export const hashPasswordCommand = new Command('hash-password')
  .description('print the hash of a password, as ADMIN_USERS takes it (name:role:hash); asks for it, or reads a line')
  .option('--json', 'print one JSON object')
  .addHelpText('after', '\nExample:\n  printf \'%s\' "$PASSWORD" | promostream hash-password')
  .action(async (options: { json?: boolean }) => {
    const password = process.stdin.isTTY ? await askTwice() : await firstLine()
    if (password === '') throw new CodedError('PASSWORD_EMPTY', 'the password is empty')
    if (password.length > MAX_LENGTH)
      throw new CodedError('PASSWORD_TOO_LONG', `the password is longer than ${MAX_LENGTH}`)
    const hash = await hashPassword(password)
    print(options, { hash }, () => [hash])
  })

async function askTwice(): Promise<string> {
  const password = await askHidden('Password: ')
  if ((await askHidden('Again: ')) !== password)
    throw new CodedError('PASSWORD_MISTYPED', 'the two passwords are not the same')
  return password
}

/** Nothing of what is typed is echoed; the question goes to stderr, so that stdout holds the hash alone. */
async function askHidden(question: string): Promise<string> {
  const output = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output, terminal: true })
  const interrupted = new Promise<never>((_resolve, reject) => {
    lines.once('SIGINT', () => reject(new CodedError('INTERRUPTED', 'interrupted')))
    lines.once('close', () => reject(new CodedError('INTERRUPTED', 'no password was given')))
  })
  interrupted.catch(() => undefined)
  process.stderr.write(question)
  try {
    return await Promise.race([lines.question(''), interrupted])
  } finally {
    lines.close()
    process.stderr.write('\n')
  }
}

async function firstLine(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk
    if (text.includes('\n') || text.length > MAX_LENGTH) break
  }
  return (text.split('\n', 1)[0] ?? '').replace(/\r$/, '')
}
