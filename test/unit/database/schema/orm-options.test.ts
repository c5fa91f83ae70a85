import { expect, test } from '@jest/globals'
import { type DatabaseOptions, ormOptions } from '#database/schema/orm-options.ts'

interface DriverOptions {
  [name: string]: unknown
  onPoolCreated(pool: object): void
}

function optionsOf(url: string, more: Partial<DatabaseOptions> = {}) {
  const options = ormOptions({ url, poolMax: 7, timeoutMs: 5000, ...more }) as unknown as Record<string, unknown>
  return { options, driver: options.driverOptions as DriverOptions }
}

test('a URL is given by its parts, none of which is dropped', () => {
  const url = 'postgresql://me:secret@db.example:6432/gifts?options=-c%20a%3Db&application_name=mine&connect_timeout=3'
  const { options, driver } = optionsOf(url)
  expect(options).toMatchObject({
    host: 'db.example',
    port: 6432,
    user: 'me',
    password: 'secret',
    dbName: 'gifts',
    pool: { min: 0, max: 7 },
  })
  expect(driver).toMatchObject({
    application_name: 'mine',
    connectionTimeoutMillis: 3000,
    options: '-c a=b',
    ssl: false,
    keepAlive: true,
  })
})

test('what a URL does not say has its default', () => {
  const { options, driver } = optionsOf('postgresql://db.example/gifts')
  expect([driver.application_name, driver.connectionTimeoutMillis, 'options' in driver]).toEqual([
    'promostream',
    5000,
    false,
  ])
  expect([options.user, options.password].every(given => given === undefined || given === null)).toBe(true)
})

test('a statement is ended by the server in its time, and by us a second later; a transaction that idles in twice', () => {
  const { driver } = optionsOf('postgresql://db.example/gifts')
  expect(driver).toMatchObject({
    statement_timeout: 5000,
    query_timeout: 6000,
    idle_in_transaction_session_timeout: 10_000,
  })
  expect(driver).not.toHaveProperty('lock_timeout')
})

test('a migration takes as long as it needs, and waits for no lock for long', () => {
  const { driver } = optionsOf('postgresql://db.example/gifts', { lockTimeoutMs: 1000 })
  expect(driver).toMatchObject({ lock_timeout: 1000 })
  for (const name of ['statement_timeout', 'query_timeout', 'idle_in_transaction_session_timeout'])
    expect(driver).not.toHaveProperty(name)
})

test('nothing is made that is missing, and each migration is committed by itself', () => {
  const { options } = optionsOf('postgresql://db.example/gifts')
  expect(options).toMatchObject({ ensureDatabase: false, migrations: { allOrNothing: false, snapshot: false } })
})

/** A client of the pool whose queries come to this, and what it was asked. */
function pooledClient(result: () => unknown) {
  const asked: unknown[][] = []
  const client = {
    ended: 0,
    query: (...args: unknown[]) => {
      asked.push(args)
      return result()
    },
    end: async () => void client.ended++,
  }
  let connected: ((client: object) => void) | undefined
  optionsOf('postgresql://db.example/gifts').driver.onPoolCreated({
    on: (event: string, listener: (client: object) => void) => {
      if (event === 'connect') connected = listener
    },
  })
  connected?.(client)
  return { client, asked }
}

test('a client whose server says nothing any more is ended: the pool must not give it to others', async () => {
  const silent = pooledClient(() => Promise.reject(new Error('Query read timeout')))
  await expect(silent.client.query('select 1')).rejects.toThrow('Query read timeout')
  expect(silent.client.ended).toBe(1)
  const failing = pooledClient(() => Promise.reject(new Error('canceling statement due to statement timeout')))
  await expect(failing.client.query('select 1')).rejects.toThrow('canceling statement')
  expect(failing.client.ended).toBe(0)
})

test('marked statements are prepared under one name, with their parameters; the others go as they are', async () => {
  const { client, asked } = pooledClient(() => Promise.resolve('rows'))
  expect(await client.query('/* prepared */ select $1', [1])).toBe('rows')
  await client.query('/* prepared */ select $1', [2])
  await client.query('select $1', [3])
  const [[first], [second], third] = asked as [[{ name: string }], [{ name: string }], unknown[]]
  expect([first, second]).toMatchObject([
    { text: '/* prepared */ select $1', values: [1] },
    { text: '/* prepared */ select $1', values: [2] },
  ])
  expect(first.name).toBe(second.name)
  expect(third).toEqual(['select $1', [3]])
})

test('a query that is no promise, a cursor’s, is handed on as it is', () => {
  const cursor = { read: () => undefined }
  const { client, asked } = pooledClient(() => cursor)
  expect(client.query(cursor)).toBe(cursor)
  expect(asked).toEqual([[cursor]])
})
