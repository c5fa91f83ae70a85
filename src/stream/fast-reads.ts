import { Cluster, type Redis } from 'ioredis'
import { decodeRead } from './read-decoder.ts'
import { ReplyScan, UnknownReply } from './reply-scan.ts'

type TakeIn = (bytes: Buffer) => void

/** A command of ioredis', with what says whether its caller wants texts or bytes. */
interface Reading {
  readonly name: string
  replyEncoding: 'utf8' | null
  resolve(reply: unknown): void
}

const MIN_ROOM = 2 ** 16

/**
 * The replies to XREADGROUP are decoded here instead of by ioredis, which makes a Buffer of each text of an entry: that costs
 * more than all else a worker does with one. Every other reply, and whatever is not understood, is ioredis' as before.
 */
export function decodeReadsFast(client: Redis | Cluster): void {
  if (client instanceof Cluster) client.on('+node', (node: Redis) => decodeReadsFast(node))
  else client.on('connect', () => takeOver(client))
}

/** Puts itself before what ioredis listens with on this socket. */
function takeOver(client: Redis): void {
  const { stream } = client
  const [theirs] = stream.listeners('data') as TakeIn[]
  if (theirs === undefined) return
  const replies = new Replies(client, theirs, () => {
    stream.off('data', ours)
    stream.prependListener('data', theirs)
  })
  const ours: TakeIn = bytes => replies.takeIn(bytes)
  stream.off('data', theirs)
  stream.prependListener('data', ours)
}

/** Cuts what comes on one socket into replies. */
class Replies {
  readonly #client: Redis
  readonly #passOn: TakeIn
  readonly #giveUp: () => void
  /** The beginning of a reply that has not come as a whole. */
  #begun: PartialReply | undefined
  #scan = new ReplyScan(0)

  constructor(client: Redis, passOn: TakeIn, giveUp: () => void) {
    this.#client = client
    this.#passOn = passOn
    this.#giveUp = giveUp
  }

  takeIn(chunk: Buffer): void {
    const bytes = this.#begun?.add(chunk) ?? chunk
    let from = 0
    try {
      while (from < bytes.length && this.#scan.isComplete(bytes)) {
        const end = this.#scan.at
        this.#scan = new ReplyScan(end)
        this.#reply(bytes, from, end)
        from = end
      }
    } catch (error) {
      if (!(error instanceof UnknownReply)) throw error
      this.#giveUp()
      this.#passOn(bytes.subarray(from))
      return
    }
    if (from === bytes.length) this.#begun = undefined
    else if (from > 0 || this.#begun === undefined) this.#begun = new PartialReply(bytes.subarray(from))
    this.#scan.at -= from
  }

  #reply(bytes: Buffer, from: number, end: number): void {
    const reading = this.#reading()
    const read = reading && decodeRead(bytes, from, end)
    if (reading === undefined || read === undefined) this.#passOn(bytes.subarray(from, end))
    else {
      this.#client.commandQueue.shift()
      // There are no bytes left to make text of.
      reading.replyEncoding = null
      reading.resolve(read)
    }
  }

  /** The XREADGROUP, if it is one, whose reply is next. */
  #reading(): Reading | undefined {
    const command = this.#client.commandQueue.peekFront()?.command as Reading | undefined
    return command?.name === 'xreadgroup' && command.replyEncoding === 'utf8' ? command : undefined
  }
}

/** Bytes that come in pieces; their room doubles, so that a long reply is not copied once a piece. */
class PartialReply {
  #room: Buffer
  #length: number

  constructor(bytes: Buffer) {
    this.#room = Buffer.allocUnsafe(Math.max(MIN_ROOM, 2 * bytes.length))
    this.#length = bytes.copy(this.#room)
  }

  /** @returns all that came so far. */
  add(bytes: Buffer): Buffer {
    const length = this.#length + bytes.length
    if (length > this.#room.length) {
      const room = Buffer.allocUnsafe(2 * length)
      this.#room.copy(room, 0, 0, this.#length)
      this.#room = room
    }
    bytes.copy(this.#room, this.#length)
    this.#length = length
    return this.#room.subarray(0, length)
  }
}
