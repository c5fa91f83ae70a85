/** Everything that must be one step on the server. Each touches one key and is bounded by what its caller sends. */

export interface Script {
  name: string
  lua: string
}

/**
 * KEYS: stream. ARGV: bound (0 = none), then for each entry the count of its field and value texts, and those. One
 * command for many XADDs: what a client spends on each command is more than Redis spends on the entry. Answers the ids.
 */
export const addBulk: Script = {
  name: 'streamAddBulk',
  lua: `
    local ids = {}
    local at = 2
    while at <= #ARGV do
      local count = tonumber(ARGV[at])
      if ARGV[1] == '0' then
        ids[#ids + 1] = redis.call('XADD', KEYS[1], '*', unpack(ARGV, at + 1, at + count))
      else
        ids[#ids + 1] = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, at + 1, at + count))
      end
      at = at + count + 1
    end
    return ids`,
}

/** KEYS: stream. ARGV: group, ids. Acknowledges and deletes; answers how many were still pending. */
export const ackDelete: Script = {
  name: 'streamAckDelete',
  lua: `
    local ids = {unpack(ARGV, 2)}
    local acked = redis.call('XACK', KEYS[1], ARGV[1], unpack(ids))
    redis.call('XDEL', KEYS[1], unpack(ids))
    return acked`,
}

/**
 * KEYS: stream. ARGV: group, consumer, mode, idle ms, ids. For each entry that is still ours:
 * 'beat' resets its idle time, 'count' also counts a delivery, 'release' lets it look idle for so long that any
 * consumer may claim it, and takes back the delivery: who gives an entry up in good order did not die of it. One that another consumer owns by now is left alone: a frozen worker must not steal it back.
 * Answers the ids that are still ours.
 */
export const touchOwned: Script = {
  name: 'streamTouchOwned',
  lua: `
    local owned = {}
    for i = 5, #ARGV do
      local found = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)
      if found[1] and found[1][2] == ARGV[2] then
        owned[#owned + 1] = ARGV[i]
        if ARGV[3] == 'count' then
          redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i])
        elseif ARGV[3] == 'release' then
          local count = math.max(0, found[1][4] - 1)
          redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', ARGV[4], 'RETRYCOUNT', count, 'JUSTID')
        else
          redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', ARGV[4], 'JUSTID')
        end
      end
    end
    return owned`,
}

/**
 * KEYS: stream. ARGV: group, own consumer, idle ms. Removes consumers that hold nothing and were silent that long:
 * XGROUP DELCONSUMER destroys what a consumer holds, so the look and the removal are one step. Answers how many.
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

/** KEYS: stream. ARGV: group, consumer. Removes one consumer unless it holds something. Answers 1 when it is gone. */
export const removeConsumer: Script = {
  name: 'streamRemoveConsumer',
  lua: `
    local held = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
    if #held > 0 then return 0 end
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
    return 1`,
}

/**
 * KEYS: stream. ARGV: group, most. Deletes what members acknowledged without deleting it: everything before the oldest
 * pending entry, or up to the last delivered one when none is pending – only while the stream has exactly this group.
 * Answers how many it deleted.
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
  touchOwned,
  removeDeadConsumers,
  removeConsumer,
  trimAcknowledged,
  removeStream,
]
