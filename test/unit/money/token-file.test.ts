import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { HttpPool } from '#money/http.ts'
import { createTokenFile } from '#money/token-file.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'promostream-token-'))
})
const toClose: (() => unknown)[] = []
afterEach(async () => {
  for (const close of toClose.splice(0)) await close()
  rmSync(folder, { recursive: true })
})

const complaintOf = (token: string) => (token.includes(' ') ? 'has a blank' : undefined)
const lines: string[] = []
const logger = { info: (line: string) => lines.push(line), warn: (line: string) => lines.push(line) } as never

/** Gives up before the test does: who went on waiting would keep its process from ending. */
async function until(holds: () => boolean): Promise<void> {
  const giveUpAtMs = performance.now() + 10_000
  while (!holds()) {
    if (performance.now() > giveUpAtMs) throw new Error('it did not come to that')
    await sleep(5)
  }
}

test('a token that is rotated as Kubernetes does it is sent without a restart', async () => {
  const seen: (string | undefined)[] = []
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization)
    response.end('{}')
  }).listen(0, '127.0.0.1')
  toClose.push(() => server.close())
  await once(server, 'listening')
  // As a mounted secret: the file is a link into a folder that is itself a link, and only that one is exchanged.
  const path = join(folder, 'token')
  const put = (name: string, token: string) => {
    writeFileSync(join(folder, name), `${token}\n`)
    symlinkSync(name, join(folder, `${name}.link`))
    renameSync(join(folder, `${name}.link`), join(folder, '..data'))
  }
  put('one', 'first')
  symlinkSync('..data', path)
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const http = new HttpPool({ baseUrl, token: 'first', timeoutMs: 5000, connections: 1 })
  toClose.unshift(() => http.close())
  const tokens: string[] = []
  const onToken = (token: string) => {
    tokens.push(token)
    http.setToken(token)
  }
  const file = createTokenFile({ path, token: 'first', onToken, complaintOf, logger, intervalMs: 5 })
  toClose.unshift(() => file.stop())
  await file.start()
  await http.exchange({ method: 'GET', path: '/' })
  put('two', 'second')
  await until(() => tokens.length > 0)
  await http.exchange({ method: 'GET', path: '/' })
  expect(tokens).toEqual(['second'])
  expect(seen).toEqual(['Bearer first', 'Bearer second'])
})

test('a file that is gone or holds no token changes nothing, and is told of once', async () => {
  lines.length = 0
  const path = join(folder, 'token')
  // At once as a whole: what reads it meanwhile would find it empty.
  const place = (text: string) => {
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
  }
  const tokens: string[] = []
  const file = createTokenFile({
    path,
    token: 'good',
    onToken: token => tokens.push(token),
    complaintOf,
    logger,
    intervalMs: 2,
  })
  toClose.unshift(() => file.stop())
  await file.start()
  await until(() => lines.length === 1)
  await sleep(20)
  expect(lines).toEqual(['MONEY_API_TOKEN_FILE: it cannot be read: ENOENT; the token from before goes on being sent'])
  place('not a token\n')
  await until(() => lines.length === 2)
  expect(lines[1]).toMatch(/it has a blank/)
  expect(lines[1]).not.toContain('not a token')
  expect(tokens).toEqual([])
  place('good\n')
  await sleep(20)
  expect(tokens).toEqual([])
  place('better\n')
  await until(() => tokens.length === 1)
  expect(tokens).toEqual(['better'])
})

test('an empty file is no token; what was wrong before a good token is told of again after it', async () => {
  lines.length = 0
  const path = join(folder, 'token')
  const place = (text: string) => {
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
  }
  place(' \n')
  const tokens: unknown[] = []
  const onToken = (token: string) => void tokens.push(token)
  const file = createTokenFile({ path, token: 'good', onToken, complaintOf, logger, intervalMs: 2 })
  toClose.unshift(() => file.stop())
  await file.start()
  const empty = 'MONEY_API_TOKEN_FILE: it is empty; the token from before goes on being sent'
  await until(() => lines.length === 1)
  expect([lines, tokens]).toEqual([[empty], []])
  place('better\n')
  await until(() => tokens.length === 1)
  place('\n')
  await until(() => lines.length === 3)
  expect([lines[2], tokens]).toEqual([empty, ['better']])
})
