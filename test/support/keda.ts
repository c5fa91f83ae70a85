/** How many replicas KEDA and the autoscaler below it would ask for, leaving out how fast they get there. */

export interface ScaledTo {
  minReplicaCount: number
  maxReplicaCount: number
}

/** A trigger's value, and what one replica is to have of it (`AverageValue`). */
export interface TriggerValue {
  value: number
  threshold: number
}

export function desiredReplicas(
  { minReplicaCount, maxReplicaCount }: ScaledTo,
  triggers: readonly TriggerValue[],
): number {
  const wanted = triggers.map(({ value, threshold }) => Math.ceil(value / threshold))
  return Math.min(maxReplicaCount, Math.max(minReplicaCount, ...wanted))
}

/**
 * What the scaler of Kafka takes for the lag of one topic: no more than its partitions can have consumers for
 * (`allowIdleConsumers` off).
 */
export function kafkaLagOf(lags: readonly number[], lagThreshold: number): number {
  const total = lags.reduce((sum, lag) => sum + lag, 0)
  return Math.floor(total / lagThreshold) > lags.length ? lags.length * lagThreshold : total
}

/** When a trigger does not answer (`behavior: currentReplicasIfHigher`). */
export function fallbackReplicas(fallback: { replicas: number }, current: number): number {
  return Math.max(fallback.replicas, current)
}
