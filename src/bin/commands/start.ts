import { Command } from 'commander'
import type { Promotion } from '#database/promotions.ts'
import { CodedError } from '#runtime/errors.ts'
import { type CommandContext, publishIfKafka, withDatabase } from './context.ts'
import { parseId } from './create.ts'
import { print } from './output.ts'

export const startCommand = new Command('start')
  .description('start a READY promotion, or go on with a PAUSED or STOPPED one')
  .argument('<id>', 'the promotion', parseId)
  .option('--json', 'print one JSON object')
  .addHelpText('after', '\nExample:\n  promostream start 42')
  .action(async (id: string, options: { json?: boolean }) => {
    const { promotion, changed } = await withDatabase(context => start(id, context))
    print(options, { id, status: promotion.status, changed }, () => [
      changed ? `promotion ${id} is IN_PROGRESS` : `promotion ${id} was IN_PROGRESS already`,
    ])
  })

async function start(
  id: string,
  { config, promotions }: CommandContext,
): Promise<{ promotion: Promotion; changed: boolean }> {
  const known = await promotions.find(id)
  if (known === undefined) throw new CodedError('PROMOTION_NOT_FOUND', `promotion ${id} does not exist`)
  if (known.status === 'COMPLETED')
    throw new CodedError('PROMOTION_COMPLETED', `promotion ${id} is COMPLETED and stays so`)
  const changed = (await promotions.start(id, 0))?.changed === true || (await promotions.resume(id))
  const promotion = (await promotions.find(id)) ?? known
  const { type, totalCount } = promotion
  await publishIfKafka(config, {
    topic: config.KAFKA_TOPIC_STARTED,
    key: id,
    value: JSON.stringify({ promotionId: id, totalCount, type }),
  })
  return { promotion, changed }
}
