/** Of the stream framework: docs/stream.md names them. */
const STREAMS =
  '+@stream +get +set +incrby +mget +exists +del +unlink +pttl +expire +eval +evalsha +info +command|info +ping'

/** Of BullMQ's scripts and of what it sends itself. */
const RETRIES = [
  '+hdel +hexists +hget +hgetall +hincrby +hlen +hmget +hmset +hset +hscan +incr +time +type +rename +persist +pexpire',
  '+pexpireat +llen +lindex +lpop +lpos +lpush +lrange +lrem +lset +ltrim +rpop +rpoplpush +rpush +sadd +scard +sismember',
  '+smembers +srem +sscan +zadd +zcard +zcount +zlexcount +zpopmin +bzpopmin +zrange +zrangebylex +zrangebyscore +zrem',
  '+zremrangebyrank +zremrangebyscore +zrevrange +zrevrangebyscore +zscore +multi +exec +client|setname +client|list',
]

/** What a cluster's clients need beside that. */
const CLUSTER = '+cluster|slots +cluster|info +cluster|shards +cluster|nodes'

/** Rules of an ACL user that may do what promostream does, on its own keys, and nothing else. */
export function redisRules({ keyPrefix, cluster }: { keyPrefix: string; cluster: boolean }): string[] {
  const keys = ['campaign-promotion-*', 'promostream:*', ...(cluster ? ['{promostream}:*'] : [])]
  const commands = [STREAMS, ...RETRIES, ...(cluster ? [CLUSTER] : [])]
  return [...keys.map(key => `~${keyPrefix}${key}`), ...commands.flatMap(line => line.split(' '))]
}
