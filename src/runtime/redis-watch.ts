import { Cluster, type Redis, ReplyError } from 'ioredis'
import { errorLine } from './errors.ts'

/**
 * Replies that another socket may cure: the server is no master any more, or loads its data, and the name in the URL may
 * lead to its successor by now. A script's error carries the code inside its own.
 */
const CURED_BY_ANOTHER_SOCKET = /(?:^|\s-|:-)(?:READONLY|LOADING|MASTERDOWN|UNBLOCKED|NOREPLICAS|CLUSTERDOWN)\b/

/** At most one new socket for such replies, or for a replica, in this time, in ms: nobody is stormed meanwhile. */
const RECONNECT_PAUSE_MS = 1000

/** How often a watch looks, and how often it asks, in ms. */
const TURN_MS = 500
const ASK_MS = 1000
/** How long a server may be silent before its socket is replaced, in ms. */
export const SILENCE_MS = 4000

const watches = new WeakMap<Redis, { isReadOnly: boolean }>()

/** ioredis' `reconnectOnError`, for one client: the refused command rejects, the next one goes to a new socket. */
export function createReconnectOnError(nowMs = () => performance.now()): (error: Error) => boolean {
  let reconnectedAtMs = Number.NEGATIVE_INFINITY
  return error => {
    if (!CURED_BY_ANOTHER_SOCKET.test(errorLine(error))) return false
    if (nowMs() - reconnectedAtMs < RECONNECT_PAUSE_MS) return false
    reconnectedAtMs = nowMs()
    return true
  }
}

/** The last answer came from a replica: nothing can be written there. */
export function isReadOnly(client: Redis | Cluster): boolean {
  return !(client instanceof Cluster) && watches.get(client)?.isReadOnly === true
}

export interface RedisWatchOptions {
  /** How long the server may be silent, in ms; more than a command may block. */
  silenceMs?: number
  /** Its replicas are of use: a cluster's nodes. */
  allowReplica?: boolean
}

/** For how long a server has owed an answer; time in which this process itself stood still does not count. */
function createSilence(redis: Redis) {
  let turnedAtMs = 0
  /** Since when an answer is owed; undefined: none is. */
  let owedSinceMs: number | undefined
  let bytesRead = 0
  return {
    /** One that was given up on leaves its answer owed. */
    asked: (nowMs: number) => {
      owedSinceMs ??= nowMs
    },
    answered: () => {
      owedSinceMs = undefined
    },
    /** Until `ready` the replies to the handshake are still to come. */
    connected: () => {
      owedSinceMs = turnedAtMs = performance.now()
    },
    /** To be called every `TURN_MS`. Returns how long, in ms. */
    turn: (nowMs: number): number => {
      const lateMs = Math.max(0, nowMs - turnedAtMs - TURN_MS)
      turnedAtMs = nowMs
      // Replies that came while this process stood still lie in the socket; bytes that come are a sign of life.
      const isHeard = redis.status === 'ready' && redis.stream.bytesRead !== bytesRead
      if (owedSinceMs !== undefined) owedSinceMs = isHeard ? nowMs : owedSinceMs + lateMs
      bytesRead = redis.stream?.bytesRead ?? 0
      return owedSinceMs === undefined ? 0 : nowMs - owedSinceMs
    },
  }
}

/**
 * Replaces a socket that is there and does no good: one whose server has not answered for `silenceMs` (no FIN and no RST
 * comes from a host that has vanished), and one that leads to a replica. Asks every second, so that an idle connection
 * notices as well. While this process itself stands still nothing is held against the server.
 */
export function watchRedis(
  redis: Redis,
  { silenceMs = SILENCE_MS, allowReplica = false }: RedisWatchOptions = {},
): void {
  const state = { isReadOnly: false }
  watches.set(redis, state)
  const silence = createSilence(redis)
  let timer: NodeJS.Timeout | undefined
  let lastAskedAtMs = Number.NEGATIVE_INFINITY
  let isAsking = false
  let leftReplicaAtMs = Number.NEGATIVE_INFINITY

  const replace = (reason: string) => {
    silence.answered()
    // `disconnect` would wait for the other side to hang up as well.
    redis.stream.destroy(new Error(reason))
  }
  const answered = (info: string) => {
    silence.answered()
    state.isReadOnly = !allowReplica && /^role:slave/m.test(info)
    const nowMs = performance.now()
    // The name may lead there for a while yet: until the next look this socket is as good as another.
    if (!state.isReadOnly || nowMs - leftReplicaAtMs < RECONNECT_PAUSE_MS) return
    leftReplicaAtMs = nowMs
    replace('the server is a replica')
  }
  const ask = async () => {
    if (isAsking || redis.status !== 'ready') return
    isAsking = true
    lastAskedAtMs = performance.now()
    silence.asked(lastAskedAtMs)
    const question = allowReplica ? redis.ping() : redis.info('replication')
    await question.then(answered, error => {
      // A refusal (a user without the right to ask) is an answer.
      if (error instanceof ReplyError) silence.answered()
    })
    isAsking = false
  }
  const turn = () => {
    const nowMs = performance.now()
    if (silence.turn(nowMs) >= silenceMs) return replace(`the server has been silent for ${silenceMs} ms`)
    // A replica may be made a master again at any time.
    if (state.isReadOnly || nowMs - lastAskedAtMs >= ASK_MS) void ask()
  }
  redis.on('connect', () => {
    silence.connected()
    timer ??= setInterval(turn, TURN_MS).unref()
  })
  redis.on('ready', () => {
    state.isReadOnly = false
    silence.answered()
    void ask()
  })
  redis.on('close', () => {
    silence.answered()
    clearInterval(timer)
    timer = undefined
  })
}
