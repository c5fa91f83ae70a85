import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { parseSync } from 'oxc-parser'
import * as words from '#stream/left-out-words.ts'

/** The table for people who know BullMQ names everything that BullMQ has, in one of three states, and tells the truth. */

const ROOT = join(import.meta.dirname, '../../..')
const BULLMQ = join(ROOT, 'node_modules/bullmq/dist/esm')
const STATES = ['same', 'different', 'left out'] as const

type State = (typeof STATES)[number]
interface Row {
  state: State
  text: string
}

// biome-ignore lint/suspicious/noExplicitAny: a tree of a hundred kinds of node, of which some parts are looked at.
type Tree = any

/** A member that users can see, of a class or an interface that is exported by that name. */
async function membersOf(file: string, name: string): Promise<string[]> {
  const { program } = parseSync(file, await readFile(join(BULLMQ, file), 'utf8'))
  for (const node of program.body as Tree[]) {
    const { declaration } = node
    if (declaration?.id?.name !== name) continue
    const members: Tree[] = declaration.body?.body ?? declaration.typeAnnotation?.members ?? []
    return members.flatMap(({ key, accessibility, computed }) => {
      const isHidden = key === undefined || computed || accessibility === 'private' || accessibility === 'protected'
      return isHidden ? [] : [String(key.name ?? key.value)]
    })
  }
  throw new Error(`${file} has no ${name}`)
}

const OF_BULLMQ: Readonly<Record<string, readonly (readonly [file: string, name: string])[]>> = {
  'Options of a queue': [
    ['interfaces/queue-options.d.ts', 'QueueBaseOptions'],
    ['interfaces/queue-options.d.ts', 'KeyPrefixOptions'],
    ['interfaces/queue-options.d.ts', 'QueueOptions'],
  ],
  'Options of a worker': [
    ['interfaces/queue-options.d.ts', 'QueueBaseOptions'],
    ['interfaces/queue-options.d.ts', 'KeyPrefixOptions'],
    ['interfaces/sandboxed-options.d.ts', 'SandboxedOptions'],
    ['interfaces/worker-options.d.ts', 'WorkerOptions'],
  ],
  'Options of a job': [
    ['interfaces/base-job-options.d.ts', 'DefaultJobOptions'],
    ['interfaces/base-job-options.d.ts', 'BaseJobOptions'],
    ['types/job-options.d.ts', 'CompressableJobOptions'],
  ],
  Queue: [
    ['classes/queue-base.d.ts', 'QueueBase'],
    ['classes/queue-getters.d.ts', 'QueueGetters'],
    ['classes/queue.d.ts', 'Queue'],
  ],
  Worker: [
    ['classes/queue-base.d.ts', 'QueueBase'],
    ['classes/worker.d.ts', 'Worker'],
  ],
  'Events of a worker': [
    ['classes/worker.d.ts', 'WorkerListener'],
    ['interfaces/ioredis-events.d.ts', 'IoredisListener'],
  ],
  Job: [['classes/job.d.ts', 'Job']],
}

/** What throws, by the table's part that must call it «left out». */
const THROWS: Readonly<Record<string, readonly object[]>> = {
  'Options of a queue': [words.QUEUE_OPTIONS],
  'Options of a worker': [words.WORKER_OPTIONS],
  'Options of a job': [words.JOB_OPTIONS],
  Queue: [words.QUEUE_METHODS, words.QUEUE_PROPERTIES],
  Worker: [words.WORKER_METHODS, words.WORKER_PROPERTIES, words.WORKER_STATICS],
  'Events of a worker': [words.WORKER_EVENTS],
  Job: [words.JOB_METHODS, words.JOB_PROPERTIES, words.JOB_STATICS],
}

const tables = new Map<string, Map<string, Row>>()

beforeAll(async () => {
  const text = await readFile(join(ROOT, 'docs/stream.md'), 'utf8')
  for (const part of text.split(/^#{2,3} /m).slice(1)) {
    const [title = '', ...lines] = part.split('\n')
    const rows = new Map<string, Row>()
    for (const line of lines.filter(each => each.startsWith('| `'))) {
      const [names = '', state = '', said = ''] = line.split(' | ').map(cell => cell.replace(/^\| | \|$/g, ''))
      for (const [, name = ''] of names.matchAll(/`([^`]+)`/g))
        rows.set(name, { state: state as State, text: said.trim() })
    }
    tables.set(title.trim(), rows)
  }
})

describe.each(Object.keys(OF_BULLMQ))('%s', part => {
  const rowsOf = () => tables.get(part) ?? new Map<string, Row>()

  test('everything that BullMQ has is in the table, and nothing else', async () => {
    const members = await Promise.all((OF_BULLMQ[part] ?? []).map(([file, name]) => membersOf(file, name)))
    const known = new Set(members.flat().filter(name => name !== 'constructor'))
    expect([...known].filter(name => !rowsOf().has(name))).toEqual([])
    expect([...rowsOf().keys()].filter(name => !known.has(name))).toEqual([])
  })

  test('each is in one of three states, and what is not the same says what to do', () => {
    expect(rowsOf().size).toBeGreaterThan(0)
    for (const [name, { state, text }] of rowsOf()) {
      expect([name, STATES.includes(state)]).toEqual([name, true])
      if (state !== 'same') expect([name, text.length > 10]).toEqual([name, true])
    }
  })

  test('what throws is left out in the table, and what is left out throws', () => {
    const throwing = new Set((THROWS[part] ?? []).flatMap(Object.keys))
    const wrong = [...rowsOf()].filter(([name, { state }]) => throwing.has(name) && state !== 'left out')
    expect(wrong).toEqual([])
    const silent = [...rowsOf()].filter(([name, { state }]) => state === 'left out' && !throwing.has(name))
    expect(silent).toEqual([])
  })
})
