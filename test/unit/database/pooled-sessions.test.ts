import { beforeEach, expect, jest, test } from '@jest/globals'

/** The session that a client finds with its next statement, and what it was asked. */
interface Client {
  connect(): Promise<void>
  query(sql: string): Promise<{ rows: { pid: number }[] }>
  end(): Promise<void>
}

let open: (nth: number) => Partial<Client>
let opened: Client[]
let ended: number
let asked: string[]
jest.unstable_mockModule('#database/fresh-connection.ts', () => ({
  createFreshConnection: () => {
    const client = {
      connect: async () => undefined,
      query: async () => ({ rows: [{ pid: 0 }] }),
      end: async () => void ended++,
      ...open(opened.length),
    }
    opened.push(client)
    return client
  },
}))
const { assertSessionsLast, refusedByPooler } = await import('#database/pooled-sessions.ts')

beforeEach(() => {
  ;[opened, ended, asked] = [[], 0, []]
})

const OPTIONS = { url: 'postgresql://db.example/gifts', timeoutMs: 1000 }

/** Clients whose statements find these sessions; a transaction is one of client 1. */
function sessions(pidOf: (client: number, isInTransaction: boolean) => number): typeof open {
  let isInTransaction = false
  return nth => ({
    query: async sql => {
      asked.push(`${nth}: ${sql}`)
      if (sql === 'begin') isInTransaction = true
      if (sql === 'rollback') isInTransaction = false
      return { rows: [{ pid: pidOf(nth, isInTransaction) }] }
    },
  })
}

test('PostgreSQL itself gives each connection a session of its own', async () => {
  open = sessions(nth => 100 + nth)
  await assertSessionsLast(OPTIONS)
  expect([opened.length, ended]).toEqual([2, 2])
  expect(asked.filter(line => line === '1: begin')).toHaveLength(3)
  expect(asked.filter(line => line === '1: rollback')).toHaveLength(3)
})

test.each<[name: string, pidOf: (client: number, isInTransaction: boolean) => number]>([
  ['whose transactions are given the session of another connection', () => 100],
  [
    'that moves a connection to another session when its own is taken',
    (client, isIn) => (client === 1 ? 100 : isIn ? 102 : 101),
  ],
])('a pooler %s is refused, and both connections are closed', async (_name, pidOf) => {
  open = sessions(pidOf)
  await expect(assertSessionsLast(OPTIONS)).rejects.toMatchObject({
    code: 'DATABASE_POOLED',
    message: expect.stringContaining('gives each transaction another session'),
  })
  expect([ended, asked.at(-1)]).toEqual([2, '1: rollback'])
})

test('one that does so now and then is refused too', async () => {
  let rounds = 0
  open = sessions((client, isIn) => {
    if (client === 0 && isIn) rounds += 1
    return client === 1 ? 200 : isIn && rounds === 3 ? 101 : 100
  })
  await expect(assertSessionsLast(OPTIONS)).rejects.toMatchObject({ code: 'DATABASE_POOLED' })
})

test('one that pools statements says so itself', async () => {
  open = () => ({
    query: async sql => {
      if (sql === 'begin') throw new Error('transaction blocks not allowed in statement pooling mode')
      return { rows: [{ pid: 1 }] }
    },
  })
  await expect(assertSessionsLast(OPTIONS)).rejects.toMatchObject({
    code: 'DATABASE_POOLED',
    message: expect.stringContaining('gives each statement another session'),
  })
})

test('whatever else is wrong is left to those who find it too', async () => {
  open = () => ({
    connect: () => Promise.reject(new Error('connect ECONNREFUSED')),
    end: () => Promise.reject(new Error()),
  })
  await assertSessionsLast(OPTIONS)
  expect(opened).toHaveLength(2)
})

test.each([
  ['unsupported startup parameter: statement_timeout', 'statement_timeout'],
  ['unsupported startup parameter in options: lock_timeout', 'lock_timeout'],
])('what a pooler says of a parameter is told with it: %s', (message, parameter) => {
  expect(refusedByPooler(new Error(message))).toMatchObject({
    code: 'DATABASE_POOLED',
    message: expect.stringContaining(`refuses the parameter ${parameter}`),
  })
})

test('any other error is not a pooler’s', () => {
  expect(refusedByPooler(new Error('connect ECONNREFUSED'))).toBeUndefined()
})
