/** Everything that must be one step on the server. Each touches one key and is bounded by what its caller sends; those of dead letters stand beside. */

export interface Script {
  name: string
  lua: string
  /** Default 1. */
  numberOfKeys?: number
}

/**
 * KEYS: stream. ARGV: bound (0 = none), then for each entry the count of its field and value texts, and those. One
 * command for many XADDs: what a client spends on each command is more than Redis spends on the entry. Stops at the first
 * that the server refuses. Returns the ids of those added, and the refusal or an empty string.
 */
export const addBulk: Script = {
  name: 'streamAddBulk',
  lua: `
    local ids = {}
    local at = 2
    while at <= #ARGV do
      local count = tonumber(ARGV[at])
      local id
      if ARGV[1] == '0' then
        id = redis.pcall('XADD', KEYS[1], '*', unpack(ARGV, at + 1, at + count))
      else
        id = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, at + 1, at + count))
      end
      if type(id) == 'table' then return {ids, id['err'] or 'refused'} end
      ids[#ids + 1] = id
      at = at + count + 1
    end
    return {ids, ''}`,
}

/**
 * For `ackDelete` and `ackOwned`: deletes acknowledged entries, but none that another group on the stream was not given
 * yet or has not acknowledged. Returns how many other groups there are.
 *
 * XDEL walks through the deleted entries of a node to the one it marks, which is dearer than all else that is done with
 * an entry; XTRIM drops whole nodes. `stretches` are pairs of ids between which everything is acknowledged. Each is
 * dropped where it lies at the stream's beginning, was handed out, and nothing in it is pending: a server that forgot
 * its last second may have given its ids to others.
 */
const DELETE_ACKNOWLEDGED = `
    local function before(left, right)
      local leftMs, leftSeq = string.match(left, '(%d+)-(%d+)')
      local rightMs, rightSeq = string.match(right, '(%d+)-(%d+)')
      leftMs, rightMs = tonumber(leftMs), tonumber(rightMs)
      if leftMs ~= rightMs then return leftMs < rightMs end
      return tonumber(leftSeq) < tonumber(rightSeq)
    end
    local function drop(stream, own, from, to)
      local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
      if not first or before(first[1], from) or before(own['last-delivered-id'], to) then return false end
      if #redis.call('XPENDING', stream, own['name'], '-', to, 1) > 0 then return false end
      redis.call('XTRIM', stream, 'MINID', '=', to)
      redis.call('XDEL', stream, to)
      return true
    end
    local function deleteAcknowledged(stream, group, ids, stretches, inside)
      if redis.call('EXISTS', stream) == 0 then return 0 end
      local own
      local others = {}
      for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
        local one = {}
        for i = 1, #info, 2 do one[info[i]] = info[i + 1] end
        if one['name'] == group then own = one else others[#others + 1] = one end
      end
      local free = ids
      if #others > 0 then
        free = {}
        for _, id in ipairs(ids) do
          local isNeeded = false
          for _, other in ipairs(others) do
            if before(other['last-delivered-id'], id) then isNeeded = true
            elseif #redis.call('XPENDING', stream, other['name'], id, id, 1) > 0 then isNeeded = true end
          end
          if not isNeeded then free[#free + 1] = id end
        end
      elseif own and inside > 0 then
        local isDropped = true
        for i = 1, #stretches, 2 do isDropped = drop(stream, own, stretches[i], stretches[i + 1]) and isDropped end
        if isDropped then free = {unpack(ids, inside + 1)} end
      end
      if #free > 0 then redis.call('XDEL', stream, unpack(free)) end
      return #others
    end`

/**
 * KEYS: stream. ARGV: group, count of stretches' ends, how many of the first ids lie in them, the ends, ids. Acknowledges and
 * deletes; returns how many other groups the stream has.
 */
export const ackDelete: Script = {
  name: 'streamAckDelete',
  lua: `${DELETE_ACKNOWLEDGED}
    local ends = tonumber(ARGV[2])
    local ids = {unpack(ARGV, 4 + ends)}
    redis.call('XACK', KEYS[1], ARGV[1], unpack(ids))
    return deleteAcknowledged(KEYS[1], ARGV[1], ids, {unpack(ARGV, 4, 3 + ends)}, tonumber(ARGV[3]))`,
}

/** KEYS: stream. ARGV: group, consumer, id. Acknowledges and deletes one that is still ours; returns whether it was. */
export const ackOwned: Script = {
  name: 'streamAckOwned',
  lua: `${DELETE_ACKNOWLEDGED}
    local found = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)
    if not found[1] or found[1][2] ~= ARGV[2] then return 0 end
    redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
    deleteAcknowledged(KEYS[1], ARGV[1], {ARGV[3]}, {}, 0)
    return 1`,
}

/**
 * KEYS: stream. ARGV: group, consumer, idle ms, then pairs of id and count. Each entry that is still ours looks idle for
 * that long afterwards (0 = renewed; min-idle = any consumer may claim it) and has that count of deliveries ('' = as it
 * is; '+n' = one more than it has, '-n' = one less, n at most: others may have forgiven some meanwhile, and the command may
 * come twice). One that another consumer owns by now is left alone: a frozen worker must not steal it back. Returns pairs of
 * the ids that are still ours and their counts.
 */
export const renewOwned: Script = {
  name: 'streamRenewOwned',
  lua: `
    local owned = {}
    for i = 4, #ARGV, 2 do
      local id, count = ARGV[i], ARGV[i + 1]
      local found = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)
      if found[1] and found[1][2] == ARGV[2] then
        local now = found[1][4]
        if count == '' then count = now
        elseif string.sub(count, 1, 1) == '+' then count = math.min(tonumber(string.sub(count, 2)), now + 1)
        elseif string.sub(count, 1, 1) == '-' then count = math.max(0, math.min(tonumber(string.sub(count, 2)), now - 1))
        else count = tonumber(count) end
        redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'IDLE', ARGV[3], 'RETRYCOUNT', count, 'JUSTID')
        owned[#owned + 1] = id
        owned[#owned + 1] = count
      end
    end
    return owned`,
}

/**
 * KEYS: stream. ARGV: group, ids. Takes back one delivery of each, whoever owns it by now, and changes nothing else: the
 * process that had begun it lives.
 */
export const forgive: Script = {
  name: 'streamForgive',
  lua: `
    for i = 2, #ARGV do
      local row = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
      if row and row[4] > 0 then
        redis.call('XCLAIM', KEYS[1], ARGV[1], row[2], 0, ARGV[i], 'IDLE', row[3], 'RETRYCOUNT', row[4] - 1, 'JUSTID')
      end
    end
    return 1`,
}

/**
 * KEYS: stream. ARGV: group, own consumer, idle ms. Removes consumers that hold nothing and were silent that long:
 * XGROUP DELCONSUMER destroys what a consumer holds, so the look and the removal are one step. Returns how many.
 */
export const removeDeadConsumers: Script = {
  name: 'streamRemoveDeadConsumers',
  lua: `
    local removed = 0
    for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
      local consumer = {}
      for i = 1, #info, 2 do consumer[info[i]] = info[i + 1] end
      local silent = consumer['inactive'] or -1
      if silent < consumer['idle'] then silent = consumer['idle'] end
      if removed < 100 and consumer['pending'] == 0 and consumer['name'] ~= ARGV[2] and silent >= tonumber(ARGV[3]) then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer['name'])
        removed = removed + 1
      end
    end
    return removed`,
}

/** KEYS: stream. ARGV: group, consumer. Removes one consumer unless it holds something. Returns 1 when it is gone. */
export const removeConsumer: Script = {
  name: 'streamRemoveConsumer',
  lua: `
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
    if #pending > 0 then return 0 end
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
    return 1`,
}

/**
 * KEYS: stream. ARGV: group, most. Deletes what members acknowledged without deleting it: everything before the oldest
 * pending entry, or up to the last delivered one when none is pending – only while the stream has exactly this group.
 * Returns how many it deleted.
 */
export const trimAcknowledged: Script = {
  name: 'streamTrimAcknowledged',
  lua: `
    if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
    local groups = redis.call('XINFO', 'GROUPS', KEYS[1])
    if #groups ~= 1 then return 0 end
    local group = {}
    for i = 1, #groups[1], 2 do group[groups[1][i]] = groups[1][i + 1] end
    if group['name'] ~= ARGV[1] then return 0 end
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1])
    local last = group['last-delivered-id']
    if pending[1] > 0 then last = '(' .. pending[2] end
    local ids = {}
    for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', last, 'COUNT', ARGV[2])) do ids[#ids + 1] = entry[1] end
    if #ids > 0 then redis.call('XDEL', KEYS[1], unpack(ids)) end
    return #ids`,
}

/** KEYS: stream. ARGV: group. Removes a stream that is empty, or holds nothing that anyone still has to do. */
export const removeStream: Script = {
  name: 'streamRemove',
  lua: `
    if redis.call('EXISTS', KEYS[1]) == 0 then return 1 end
    if redis.call('XLEN', KEYS[1]) > 0 then return 0 end
    local groups = redis.call('XINFO', 'GROUPS', KEYS[1])
    if #groups > 1 then return 0 end
    if #groups == 1 and redis.call('XPENDING', KEYS[1], ARGV[1])[1] > 0 then return 0 end
    redis.call('DEL', KEYS[1])
    return 1`,
}

export const SCRIPTS = [
  addBulk,
  ackDelete,
  ackOwned,
  renewOwned,
  forgive,
  removeDeadConsumers,
  removeConsumer,
  trimAcknowledged,
  removeStream,
]
