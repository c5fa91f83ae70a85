import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { Command } from 'commander'
import { readBounded } from '#config/bounded-file.ts'
import { verifyReceipt } from '#promotion/seal/receipt.ts'
import type { SealCheck } from '#promotion/seal/seal.ts'
import { fingerprintOf, publicKeyOfPem } from '#promotion/seal/statement.ts'
import { CodedError, errorLine } from '#runtime/errors.ts'
import { parseId, print } from './command-line.ts'

interface VerifyOptions {
  promotion?: string
  publicKey?: string
  json?: boolean
}

/** A receipt is a few kilobytes. */
const MAX_BYTES = 1024 * 1024

export const verifyCommand = new Command('verify')
  .description('check a receipt, with nothing but its file; or the rows of a promotion against its seal')
  .argument('[file]', 'a receipt')
  .option('--promotion <id>', 'read the rows of this promotion, and compare them with its seal', parseId)
  .option('--public-key <file>', 'the operator’s public key, PEM: a seal of another key is refused')
  .option('--json', 'print one JSON object')
  .addHelpText(
    'after',
    `
Without --public-key it says whose key signed, and you compare. Ends with 1 when anything was changed.

Examples:
  promostream verify receipt-1001.json --public-key promostream-seal.pub
  promostream verify --promotion 42`,
  )
  .action(async (file: string | undefined, options: VerifyOptions) => {
    if ((file === undefined) === (options.promotion === undefined)) {
      throw new CodedError('USAGE', 'name a receipt’s file or --promotion, one of them')
    }
    if (file !== undefined) return verifyFile(file, options)
    await verifyRows(options.promotion ?? '', options)
  })

function verifyFile(file: string, options: VerifyOptions): void {
  const value = readReceipt(file)
  const { gift, seal } = verifyReceipt(value)
  const key = trusted((value as { seal: { publicKey: string } }).seal.publicKey, options)
  print(options, { valid: true, gift, seal, key, trusted: options.publicKey !== undefined }, () => [
    `valid: ${gift.type} ${gift.targetId} of promotion ${gift.promotionId}: ${gift.status}, ${gift.amount} to member ${gift.memberId}${gift.charge === null ? '' : `, charge ${gift.charge}`}`,
    `sealed ${seal.sealedAt} with ${seal.gifts} gifts, ${seal.success} paid, ${seal.amount} in all; root ${seal.root}`,
    keyLine(key, options),
  ])
}

function readReceipt(file: string): unknown {
  try {
    const bytes = readBounded(file, MAX_BYTES)
    if (bytes === undefined) throw new Error(`it is longer than ${MAX_BYTES} bytes`)
    return JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    throw new CodedError('RECEIPT_INVALID', `${file} cannot be read as a receipt: ${errorLine(error)}`)
  }
}

/** The key's fingerprint. @throws `SEAL_INVALID` when it is not the one that was asked for. */
function trusted(publicKey: string, { publicKey: file }: VerifyOptions): string {
  if (file === undefined) return fingerprintOf(publicKey)
  let expected: string
  try {
    expected = publicKeyOfPem(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new CodedError('PUBLIC_KEY', `--public-key ${file} cannot be read: ${errorLine(error)}`)
  }
  if (expected === publicKey) return fingerprintOf(publicKey)
  throw new CodedError(
    'SEAL_INVALID',
    `the seal was signed by ${fingerprintOf(publicKey)}, not by ${fingerprintOf(expected)}`,
  )
}

function keyLine(key: string, { publicKey }: VerifyOptions): string {
  return publicKey === undefined
    ? `signed by the key ${key}: compare it with the operator's, or give --public-key`
    : `signed by the key that was given, ${key}`
}

async function verifyRows(id: string, options: VerifyOptions): Promise<void> {
  // Rows are soon garbage: where the room for what is young does not grow, a million of them take 100 MB less, and no more time.
  setFlagsFromString('--semi-space-growth-factor=1')
  const { withDatabase } = await import('./context.ts')
  const { checkSeal } = await import('#promotion/seal/seal.ts')
  const check = await withDatabase(async ({ promotions, database }) => {
    const promotion = await promotions.find(id)
    if (promotion === undefined) throw new CodedError('PROMOTION_NOT_FOUND', `promotion ${id} does not exist`)
    return checkSeal(database.kysely, promotion)
  })
  const key = trusted(check.publicKey, options)
  const isWhole = check.changed.length === 0 && check.later === 0
  print(options, { id, valid: isWhole, ...check, key }, () => [...linesOf(id, check), keyLine(key, options)])
  if (!isWhole) process.exitCode = 1
}

function linesOf(id: string, { changed, later, gifts, sequence, root, open }: SealCheck): string[] {
  const wrong = changed.map(
    ({ afterRow, lastRow }) => `rows behind ${afterRow} up to ${lastRow} are not what was sealed`,
  )
  if (later > 0) wrong.push(`${later} rows came after the seal`)
  if (changed.length > 0 && open > 0) {
    wrong.push(`${open} gifts were UNKNOWN then: once they are settled, the workers make the next seal within seconds`)
  }
  if (wrong.length > 0) return [...wrong, `promotion ${id} is NOT what was sealed (seal ${sequence}, root ${root})`]
  return [`promotion ${id}: all ${gifts} gifts are what was sealed (seal ${sequence}, root ${root})`]
}
