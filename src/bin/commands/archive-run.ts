import { type FileHandle, open, unlink } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { Kysely } from 'kysely'
import { giftRecordPages, moveToArchive } from '#database/gifts/archive.ts'
import type { ProcessStatus } from '#database/gifts/process-status.ts'
import type { Promotion } from '#database/promotions/promotions.ts'
import { CodedError, errorLine } from '#runtime/errors.ts'
import { withChange } from './change.ts'
import { type CommandContext, withDatabase } from './context.ts'
import { createProgress } from './progress.ts'

/**
 * Writes every row of a promotion to a file, and only when that is on disk removes them. What is cut short is done again
 * with another file; nothing is removed that stands in none. @throws CodedError that says why it may not be done.
 */
export function runArchive(id: string, file: string): Promise<{ archived: number }> {
  return withDatabase(async context => {
    const promotion = await archivableOf(id, context)
    const { kysely } = context.database
    const change = { what: 'promotion.archive', target: id, detail: { file } }
    return await withChange(kysely, change, async () => {
      const archived = await writeFile(kysely, promotion, file)
      const progress = createProgress()
      progress.begin('removed', archived)
      if (archived > 0) await moveToArchive(kysely, promotion, count => progress.advance(count))
      progress.end()
      return { archived }
    })
  })
}

/** What is not final stays: somebody has still to look at it. */
async function archivableOf(id: string, { promotions }: CommandContext): Promise<Promotion> {
  const promotion = await promotions.find(id)
  if (promotion === undefined) throw new CodedError('PROMOTION_NOT_FOUND', `promotion ${id} does not exist`)
  if (promotion.status !== 'COMPLETED')
    throw new CodedError(
      'PROMOTION_NOT_COMPLETED',
      `promotion ${id} is ${promotion.status}: only a COMPLETED one moves`,
    )
  const counts = await promotions.countByStatus(promotion)
  const open = (['PENDING', 'RETRYING', 'UNKNOWN'] as ProcessStatus[]).filter(status => counts[status] > 0)
  if (open.length === 0) return promotion
  const states = open.map(status => `${counts[status]} ${status}`).join(', ')
  throw new CodedError('GIFTS_NOT_FINAL', `promotion ${id} has gifts that are not final (${states}): settle them first`)
}

/** @returns how many gifts it holds; without any there is no file. */
async function writeFile(kysely: Kysely<unknown>, promotion: Promotion, path: string): Promise<number> {
  let count = 0
  async function* lines() {
    for await (const page of giftRecordPages(kysely, promotion)) {
      count += page.length
      yield `${page.map(gift => JSON.stringify(gift)).join('\n')}\n`
    }
  }
  const file = await openNew(path)
  try {
    const write = async (chunks: AsyncIterable<Buffer | string>) => {
      for await (const chunk of chunks) await file.writeFile(chunk)
    }
    const source = Readable.from(lines())
    await (path.endsWith('.gz') ? pipeline(source, createGzip(), write) : pipeline(source, write))
    await file.sync()
  } finally {
    await file.close()
  }
  if (count === 0) await unlink(path)
  return count
}

async function openNew(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx')
  } catch (cause) {
    const isThere = (cause as NodeJS.ErrnoException).code === 'EEXIST'
    throw new CodedError('FILE', isThere ? `${path} exists: name another file` : errorLine(cause), { cause })
  }
}
