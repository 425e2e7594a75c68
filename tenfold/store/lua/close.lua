-- @include _clock
-- @include _job
-- Closes an open job: it is final at once where all its images are, else with the last of them. One without any image is failed.
-- KEYS  1 active  2 finished  3 queued  4 changed  5 job prefix  6 events  7 open jobs  8 leader
-- ARGV  1 now or ''  2 job id  3 event  4 the scheduler's token, '' where a client closes  5 close it only where nothing was added since, ms; or ''
-- Returns the state it has now, or false where there is no such job
-- O(log open jobs)
local now = now_ms(ARGV[1])
local id = ARGV[2]
if ARGV[4] ~= '' and redis.call('GET', KEYS[8]) ~= ARGV[4] then return redis.error_reply('LEADERSHIP lost') end
local k = {job_prefix = KEYS[5], active = KEYS[1], finished = KEYS[2], queued = KEYS[3], changed = KEYS[4], open = KEYS[7]}
local state = redis.call('HGET', KEYS[5] .. id, 'state')
if not state then
  redis.call('ZREM', KEYS[7], id)
  return false
end
local added = tonumber(redis.call('ZSCORE', KEYS[7], id) or 0)
if ARGV[5] ~= '' and added > tonumber(ARGV[5]) then return state end
if not close_job(k, id) then return state end
redis.call('XADD', KEYS[6], '*', 'e', ARGV[3])
if not settle(k, id, now) then redis.call('PUBLISH', KEYS[4], id) end
return redis.call('HGET', KEYS[5] .. id, 'state')
