import { afterAll, describe, expect, test } from '@jest/globals'
import { giftTopicsOf } from '#config/gift-topics.ts'
import { loadConfig } from '#config/load.ts'
import { listenerSchema } from '#config/schemas.ts'
import { environmentOf, podOf, readOverlays, writeSecrets } from '#test/support/kubernetes.ts'
import { objectOf } from '#test/support/kustomize.ts'

const { overlays, production, examples } = readOverlays()

describe('the scaling of Kubernetes', () => {
  const secrets = writeSecrets(examples)
  afterAll(secrets.remove)

  test('what is scaled is there, keeps no number of its own, and never comes down to none', () => {
    for (const name of ['listener', 'worker']) {
      const { spec } = objectOf(production, 'ScaledObject', `promostream-${name}`)
      expect(objectOf(production, 'Deployment', spec.scaleTargetRef.name).spec).not.toHaveProperty('replicas')
      expect(spec.minReplicaCount).toBeGreaterThanOrEqual(1)
      expect(spec).not.toHaveProperty('idleReplicaCount')
      expect(spec.fallback).toMatchObject({ replicas: 2, behavior: 'currentReplicasIfHigher' })
    }
    expect(objectOf(overlays.staging, 'Deployment', 'promostream-worker').spec.replicas).toBe(1)
  })

  test('a query without an answer is no zero: KEDA falls back, instead of taking the workers away', () => {
    const [{ type, metadata }] = objectOf(production, 'ScaledObject', 'promostream-worker').spec.triggers
    expect([type, metadata.ignoreNullValues]).toEqual(['prometheus', 'false'])
  })

  test('listeners are scaled by the lag of what they read, by their own login, up to the partitions', () => {
    const deployment = objectOf(production, 'Deployment', 'promostream-listener')
    const config = loadConfig(listenerSchema, environmentOf(production, podOf(deployment), secrets.folder))
    const { spec } = objectOf(production, 'ScaledObject', 'promostream-listener')
    const triggers = spec.triggers as { type: string; metadata: Record<string, string>; authenticationRef: object }[]
    const read = Object.values(giftTopicsOf(config)).flatMap(({ gifts, retries }) => [gifts, retries])
    const asked = triggers.map(({ metadata }) => ({ topic: metadata.topic!, groupId: metadata.consumerGroup! }))
    const byTopic = (one: { topic: string }, other: { topic: string }) => one.topic.localeCompare(other.topic)
    expect(asked.sort(byTopic)).toEqual(read.sort(byTopic))
    expect(spec.maxReplicaCount).toBe(config.KAFKA_TOPIC_PARTITIONS)
    for (const trigger of triggers)
      expect(trigger).toMatchObject({
        type: 'kafka',
        metadata: {
          bootstrapServersFromEnv: 'KAFKA_BROKERS',
          offsetResetPolicy: 'earliest',
          sasl: config.KAFKA_SASL_MECHANISM!.replaceAll('-', '_').replace(/_(\d+)$/, '$1'),
          tls: config.KAFKA_SSL ? 'enable' : 'disable',
        },
        authenticationRef: { name: 'promostream-kafka' },
      })
    const login = objectOf(production, 'TriggerAuthentication', 'promostream-kafka').spec
    expect(login.env).toEqual([{ parameter: 'username', name: 'KAFKA_SASL_USERNAME', containerName: 'listener' }])
    const [{ name, key }] = login.secretTargetRef as [{ name: string; key: string }]
    expect(objectOf(examples, 'Secret', name).stringData).toHaveProperty(key)
  })
})
