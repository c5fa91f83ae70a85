import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { AdminClient, adminUsers } from '#test/support/admin-client.ts'
import { codeIn, DocPage } from '#test/support/doc-page.ts'
import { kafkaMissing } from '#test/support/stack-env.ts'
import { TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

withKafka('docs/contract.md: Admin HTTP', () => {
  const routes = new DocPage('docs/contract.md').table('| route | what it is |').flatMap(([cell]) => codeIn(cell!))
  let system: TestSystem
  let client: AdminClient

  beforeAll(async () => {
    system = await TestSystem.create()
    client = new AdminClient(await system.start('admin', { ADMIN_USERS: await adminUsers() }))
  }, 60_000)
  afterAll(() => system.stop())

  test('names every route of the API', async () => {
    const { json } = await client.as('vera')('/api/docs/json')
    const described = Object.entries(json.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map(method => `${method.toUpperCase()} ${path}`),
    )
    expect(described.length).toBeGreaterThan(15)
    expect(routes.filter(route => / \/api\//.test(route)).sort()).toEqual(described.sort())
  })

  test('every other route is there', async () => {
    const others = routes.filter(route => !/ \/api\//.test(route))
    expect(others.length).toBeGreaterThan(6)
    for (const route of others) {
      const [method, path] = route.includes(' ') ? route.split(' ') : ['GET', route]
      const { status } = await client.as('otto')(path!, method === 'POST' ? { method, body: {} } : {})
      expect([route, status]).not.toEqual([route, 404])
    }
  })
})
