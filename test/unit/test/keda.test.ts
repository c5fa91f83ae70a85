import { describe, expect, test } from '@jest/globals'
import { desiredReplicas, kafkaLagOf } from '#test/support/keda.ts'

describe('KEDA’s formula', () => {
  const between = { minReplicaCount: 1, maxReplicaCount: 4 }

  test.each([
    [0, 1],
    [1, 1],
    [10, 1],
    [11, 2],
    [40, 4],
    [1000, 4],
  ])('%s at 10 each: %s', (value, replicas) => {
    expect(desiredReplicas(between, [{ value, threshold: 10 }])).toBe(replicas)
  })

  test('the trigger that wants most decides', () => {
    const triggers = [5, 25, 0].map(value => ({ value, threshold: 10 }))
    expect(desiredReplicas(between, triggers)).toBe(3)
  })

  test('a topic asks for no more consumers than it has partitions', () => {
    expect(kafkaLagOf([5, 10], 10)).toBe(15)
    expect(kafkaLagOf([500, 10], 10)).toBe(20)
  })
})
