import type { Script } from './scripts.ts'

/** What must be one step on the server for dead letters. */

/**
 * KEYS: stream of dead letters. ARGV: most letters (-1 = no bound), id below which they are too old ('' = none is), seconds
 * that one is kept (0 = for ever), most that are deleted at once. The oldest go. Where letters have an age the whole stream
 * goes when its newest has reached it. Returns how many were deleted.
 */
export const trimLetters: Script = {
  name: 'streamTrimLetters',
  lua: `
    local count, most = tonumber(ARGV[1]), tonumber(ARGV[4])
    local ids = {}
    local excess = count < 0 and 0 or redis.call('XLEN', KEYS[1]) - count
    if ARGV[2] ~= '' then
      for _, letter in ipairs(redis.call('XRANGE', KEYS[1], '-', '(' .. ARGV[2], 'COUNT', most)) do
        ids[#ids + 1] = letter[1]
      end
    end
    if excess > #ids then
      ids = {}
      for _, letter in ipairs(redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', math.min(excess, most))) do
        ids[#ids + 1] = letter[1]
      end
    end
    if #ids > 0 then redis.call('XDEL', KEYS[1], unpack(ids)) end
    if tonumber(ARGV[3]) > 0 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
    return #ids`,
}

/**
 * KEYS: stream of dead letters, stream. ARGV: count of texts of the framework's behind an entry's own, ids of letters. Adds
 * each to the stream with exactly the fields that its entry had, and removes the letter: one step, so that there is always
 * one of them and never both. Stops at the first that the server refuses. Returns the new ids ('' = there is no such letter),
 * and the refusal or an empty string.
 */
export const replayLetters: Script = {
  name: 'streamReplayLetters',
  numberOfKeys: 2,
  lua: `
    local answers = {}
    for i = 2, #ARGV do
      local letter = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1]
      local answer = ''
      if letter then
        answer = redis.pcall('XADD', KEYS[2], '*', unpack(letter[2], 1, #letter[2] - tonumber(ARGV[1])))
        if type(answer) == 'table' then return {answers, answer['err'] or 'refused'} end
        redis.call('XDEL', KEYS[1], ARGV[i])
      end
      answers[#answers + 1] = answer
    end
    return {answers, ''}`,
}
