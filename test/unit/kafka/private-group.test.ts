import { expect, test } from '@jest/globals'
import { deletePrivateGroup } from '#kafka/private-group.ts'
import { createLogger } from '#runtime/logger.ts'

async function remove(failing?: string) {
  const asked: unknown[] = []
  const answer = (name: string) => async (about?: unknown) => {
    asked.push(about === undefined ? name : [name, about])
    if (name === failing) throw new Error('away')
  }
  const admin = {
    connect: answer('connect'),
    deleteGroups: answer('deleteGroups'),
    disconnect: answer('disconnect'),
  }
  await deletePrivateGroup({ admin: () => admin } as never, 'mine', createLogger('test', 'silent'))
  return asked
}

test('the group is deleted over a connection that is closed again', async () => {
  expect(await remove()).toEqual(['connect', ['deleteGroups', ['mine']], 'disconnect'])
})

test.each(['connect', 'deleteGroups', 'disconnect'])(
  'a %s that fails stops nobody, and leaves no connection',
  async failing => {
    expect((await remove(failing)).at(-1)).toBe('disconnect')
  },
)
