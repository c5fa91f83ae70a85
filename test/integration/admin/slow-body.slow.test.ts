import { connect } from 'node:net'
import { afterAll, beforeAll, describe, test } from '@jest/globals'
import type { Child } from '#local/demo/children.ts'
import { adminUsers } from '#test/support/admin-client.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('a request that does not come in whole', () => {
  let system: TestSystem
  let child: Child

  beforeAll(async () => {
    system = await TestSystem.create()
    child = await system.start('admin', { ADMIN_USERS: adminUsers() })
  }, 60_000)
  afterAll(() => system.stop())

  test('ends its connection', async () => {
    const socket = connect(Number(new URL(child.url).port), '127.0.0.1')
    const closed = new Promise(resolve => socket.once('close', resolve))
    socket.on('error', () => undefined)
    socket.write('POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{')
    const drip = setInterval(() => socket.writable && socket.write(' '), 500)
    await closed
    clearInterval(drip)
  }, 40_000)
})
