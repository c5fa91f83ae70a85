import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type InstalledPackage, install, installedMiB, otherNode, pack, removeInstalled } from '../support/packed.ts'
import { startTestRedis, type TestRedis } from '../support/redis.ts'

const ROOT = join(import.meta.dirname, '../..')
const TSC = join(ROOT, 'node_modules/.bin/tsc')
const BULL_BOARD = '@bull-board/api@9.10.1'
const NODE_TYPES = '@types/node@24.19.2'
const STRICT = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--types', 'node', '--target', 'es2024']

let redis: TestRedis

beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(async () => {
  await redis.stop()
  await removeInstalled()
})

/** The examples of the documentation, as another team would write them: its own package's name is all they know. */
async function copyExample(app: InstalledPackage, example: string): Promise<void> {
  await copyFile(join(ROOT, 'examples', example), join(app.folder, example))
}

describe('the package, packed and installed outside this repository', () => {
  let app: InstalledPackage

  beforeAll(async () => {
    app = await install(await pack('.'), NODE_TYPES)
  }, 300_000)

  test('holds what is needed and nothing else', () => {
    const strangers = app.files.filter(
      file =>
        !/^(dist\/.*\.(js|cjs|map|css|svg|d\.ts)|dist\/package\.json|package\.json|README\.md|LICENSE.*)$/.test(file),
    )
    expect(strangers).toEqual([])
    expect(app.files.filter(file => /(^|\/)tests?\/|\.test\.|example|money-simulator/.test(file))).toEqual([])
    expect(app.files).toContain('dist/src/stream/index.js.map')
  })

  test('brings no Node of its own', async () => {
    const bins = await app.run('ls', ['node_modules/.bin'])
    expect(bins.split('\n')).not.toContain('node')
  })

  test('`npx promostream` is the command', async () => {
    const { version } = (await import(join(ROOT, 'package.json'), { with: { type: 'json' } })).default as {
      version: string
    }
    expect(await app.run('npx', ['promostream', '--version'])).toBe(`${version}\n`)
    const command = join(app.folder, 'node_modules/promostream/dist/src/bin/promostream.cjs')
    const help = await app.run(process.execPath, [command, '--help'])
    for (const name of ['create', 'publish', 'audit', 'doctor']) expect(help).toContain(name)
    expect(await app.run(process.execPath, [command, 'audit', '--help'])).toContain('audit')
  }, 120_000)

  test.each([
    ['mails.ts', /to ada@example.org: hello/],
    ['many-streams.ts', /150 pictures/],
    ['limited-api.ts', /13 calls in \d+ s/],
    ['dead-letters.ts', /1 back on the stream/],
    ['testing.ts', /pass 3/],
  ])('runs the example %s', async (example, expected) => {
    await copyExample(app, example)
    await redis.probe.flushall()
    expect(await app.run(process.execPath, [example, redis.url])).toMatch(expected)
  })

  test('its types hold under strict, with the declarations checked too', async () => {
    const examples = ['mails.ts', 'limited-api.ts', 'dead-letters.ts', 'testing.ts']
    for (const example of examples) await copyExample(app, example)
    for (const resolution of [
      ['--module', 'nodenext'],
      ['--module', 'esnext', '--moduleResolution', 'bundler'],
    ])
      await expect(app.run(TSC, [...STRICT, ...resolution, ...examples])).resolves.toBe('')
  }, 120_000)
})

describe('the framework alone', () => {
  let app: InstalledPackage

  beforeAll(async () => {
    app = await install(await pack('packages/stream'))
  }, 300_000)

  test('is small', async () => {
    expect(await installedMiB(app.folder)).toBeLessThan(8)
  })

  test('has the versions of its dependencies that are tested here', async () => {
    const ours = (await import(join(ROOT, 'package.json'), { with: { type: 'json' } })).default
    const theirs = (await import(join(ROOT, 'packages/stream/package.json'), { with: { type: 'json' } })).default
    expect(ours.dependencies).toMatchObject(theirs.dependencies)
    expect(theirs.version).toBe(ours.version)
  })

  test('brings what its README leads to', async () => {
    expect(app.files).toEqual(expect.arrayContaining(['README.md', 'examples/mails.ts', 'examples/testing.ts']))
    const installed = join(app.folder, 'node_modules/promostream-stream')
    const readme = await readFile(join(installed, 'README.md'), 'utf8')
    const links = [...readme.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link = '']) => link)
    expect(links.filter(link => !app.files.includes(link))).toEqual([])
    await copyFile(join(installed, 'examples/testing.ts'), join(app.folder, 'testing.ts'))
    expect(await app.run(process.execPath, ['testing.ts'])).toContain('pass 3')
  })

  test('has the Bull-Board adapter, for who brings a Bull-Board', async () => {
    expect(app.files).toContain('dist/bull-board/index.d.ts')
    await app.run('npm', ['install', '--silent', '--no-audit', '--no-fund', '--prefer-offline', BULL_BOARD])
    await writeFile(join(app.folder, 'board.mjs'), BOARD)
    expect(await app.run(process.execPath, ['board.mjs', redis.url])).toBe(
      'boarded {"waiting":1,"active":0,"failed":0}\n',
    )
  }, 120_000)

  test.each(['22', '24'])(
    'works on Node %s',
    async version => {
      const node = version === process.versions.node.split('.')[0] ? process.execPath : await otherNode(version)
      if (node === undefined) return
      await writeFile(join(app.folder, 'first.mjs'), FIRST)
      expect(await app.run(node, ['first.mjs', redis.url])).toBe('done hello\n')
    },
    180_000,
  )
})

const BOARD = `
import { StreamQueue } from 'promostream-stream'
import { StreamQueueAdapter } from 'promostream-stream/bull-board'
const queue = new StreamQueue('boarded', { connection: process.argv[2] })
await queue.add({ text: 'hello' })
const adapter = new StreamQueueAdapter(queue)
const { waiting, active, failed } = await adapter.getJobCounts()
console.log(adapter.getName(), JSON.stringify({ waiting, active, failed }))
await queue.close()
`

const FIRST = `
import { once } from 'node:events'
import { createStreamConnection, StreamQueue, StreamWorker } from 'promostream-stream'
const connection = createStreamConnection({ url: process.argv[2] })
await connection.ready()
const queue = new StreamQueue('first', { connection, group: 'g' })
await queue.add({ text: 'hello' })
const worker = new StreamWorker('first', async ({ fields }) => console.log('done', fields.text), { connection, group: 'g' })
await once(worker, 'drained')
await worker.close()
await connection.close()
`
