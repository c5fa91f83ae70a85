import type { KafkaClient } from '#kafka/client.ts'

/** Beyond 2^53, where a number would round. */
const FIRST_TARGET = 9_007_199_254_740_993n
const BATCH = 1000
const PARTITIONS = 4

export interface Campaign {
  promotionId: string
  topic: string
  targetField: 'voucherTargetId' | 'pointTargetId'
  gifts: number
}

/** Publishes all gifts of all campaigns, `acks=all`, in batches of a thousand; the same for each side. */
export async function publish(kafka: KafkaClient, campaigns: readonly Campaign[]): Promise<void> {
  const producer = kafka.producer({ allowAutoTopicCreation: false })
  await producer.connect()
  for (let from = 0; campaigns.some(({ gifts }) => from < gifts); from += BATCH) {
    await producer.sendBatch({
      acks: -1,
      topicMessages: campaigns.map(campaign => ({
        topic: campaign.topic,
        messages: Array.from({ length: Math.max(0, Math.min(BATCH, campaign.gifts - from)) }, (_, at) =>
          recordOf(campaign, from + at),
        ),
      })),
    })
  }
  await producer.disconnect()
}

function recordOf({ promotionId, targetField }: Campaign, index: number) {
  const memberId = ((index * 7919) % 1_000_000) + 1
  const targetId = BigInt(promotionId) * 100_000_000n + FIRST_TARGET + BigInt(index)
  const value = `{"promotionId":"${promotionId}","promotionSummaryId":"${promotionId}${index % 4}","${targetField}":"${targetId}","partitionKey":"member-${memberId}","memberId":"${memberId}","amount":"${100 + (index % 50) * 10}"}`
  return { partition: index % PARTITIONS, key: `member-${memberId}`, value }
}
