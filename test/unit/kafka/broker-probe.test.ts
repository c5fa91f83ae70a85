import { expect, test } from '@jest/globals'
import { createBrokerProbe, probeGroup } from '#kafka/broker-probe.ts'

/** A cluster that keeps what it was asked; the question of that name fails. */
function clusterOf(failing?: string) {
  const asked: unknown[] = []
  const answer = (name: string) => async (about?: unknown) => {
    asked.push(about === undefined ? name : [name, about])
    if (name === failing) throw new Error(`${name} failed`)
  }
  const names = ['connect', 'disconnect', 'describeCluster', 'fetchOffsets', 'fetchTopicOffsets']
  const admin = () => Object.fromEntries(names.map(name => [name, answer(name)]))
  return { asked, kafka: { admin } as never }
}

test('a ping asks about the cluster, over one connection, and tells nothing', async () => {
  const { asked, kafka } = clusterOf()
  const probe = createBrokerProbe(kafka)
  await probe.start()
  expect(asked).toEqual([])
  expect([await probe.ping(), await probe.ping()]).toEqual([undefined, undefined])
  await probe.stop()
  expect(asked).toEqual(['connect', 'describeCluster', 'describeCluster', 'disconnect'])
})

test.each(['connect', 'describeCluster'])('a ping rejects when its %s does', async failing => {
  const probe = createBrokerProbe(clusterOf(failing).kafka)
  await probe.start()
  await expect(probe.ping()).rejects.toThrow(`${failing} failed`)
})

const NEEDED = [
  ['fetchOffsets', { groupId: 'gifts', topics: ['vouchers'] }],
  ['fetchTopicOffsets', 'vouchers'],
]

test('a group is probed by its coordinator and the leaders of its topic, over a connection that is closed again', async () => {
  const { asked, kafka } = clusterOf()
  await probeGroup(kafka, 'gifts', 'vouchers')
  expect(asked).toEqual(['connect', ...NEEDED, 'disconnect'])
})

test.each(['connect', 'fetchOffsets', 'fetchTopicOffsets'])('a group whose %s fails is not well', async failing => {
  const { asked, kafka } = clusterOf(failing)
  await expect(probeGroup(kafka, 'gifts', 'vouchers')).rejects.toThrow(`${failing} failed`)
  expect(asked.at(-1)).toBe('disconnect')
})

test('a disconnect that fails changes nothing', async () => {
  const { kafka } = clusterOf('disconnect')
  expect(await probeGroup(kafka, 'gifts', 'vouchers')).toBeUndefined()
})
