import { readFile, rename, writeFile } from 'node:fs/promises'
import { CodedError } from '#runtime/errors.ts'

/** How far a file has been published, in a file beside it: Kafka has acknowledged its first `published` rows. */
export interface PublishMark {
  /** Of the file's content and of where it goes: rows of another file are not these. */
  fingerprint: string
  rows: number
  published: number
}

export const markPath = (path: string) => `${path}.published.json`

/** The file's mark; undefined when there is none. Rejects when it belongs to other content or another topic. */
export async function readMark(path: string, fingerprint: string): Promise<PublishMark | undefined> {
  const text = await readFile(markPath(path), 'utf8').catch(error => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const mark = parseMark(text)
  if (mark === undefined)
    throw new CodedError('PUBLISH_MARK', `${markPath(path)} cannot be read: --restart publishes from the first row`)
  if (mark.fingerprint !== fingerprint)
    throw new CodedError(
      'PUBLISH_MARK',
      `${markPath(path)} is of another content, promotion, topic or cluster: --restart publishes from the first row (a gift that is sent again is a duplicate, not paid twice)`,
    )
  return mark
}

function parseMark(text: string): PublishMark | undefined {
  try {
    const mark = JSON.parse(text) as PublishMark
    return typeof mark?.fingerprint === 'string' && Number.isSafeInteger(mark.published) ? mark : undefined
  } catch {
    return undefined
  }
}

/** A kill leaves the old mark or the new one, never half of one. */
export async function writeMark(path: string, mark: PublishMark): Promise<void> {
  const temporary = `${markPath(path)}.${process.pid}.tmp`
  await writeFile(temporary, `${JSON.stringify(mark)}\n`)
  await rename(temporary, markPath(path))
}
