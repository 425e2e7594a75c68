-- @include _clock
-- @include _job
-- Cancels or expires a job: what has not started is dropped, what is done is kept, and it is final.
-- KEYS  1 active  2 finished  3 queued  4 changed  5 job prefix  6 events  7 sweeps  8 leader  9 open jobs
-- ARGV  1 now or ''  2 job id  3 'canceled' | 'expired'  4 event  5 the scheduler's token, '' where a client cancels
-- Returns the state it has now, or false where there is no such job
-- O(log open jobs)
local now = now_ms(ARGV[1])
local id = ARGV[2]
if ARGV[5] ~= '' and redis.call('GET', KEYS[8]) ~= ARGV[5] then return redis.error_reply('LEADERSHIP lost') end
local state = redis.call('HGET', KEYS[5] .. id, 'state')
if not state or FINAL[state] then return state end
local k = {job_prefix = KEYS[5], active = KEYS[1], finished = KEYS[2], queued = KEYS[3], changed = KEYS[4], open = KEYS[9]}
close_job(k, id)
end_job(k, id, ARGV[3], now)
redis.call('HSET', KEYS[7], id, 0)
redis.call('XADD', KEYS[6], '*', 'e', ARGV[4])
return ARGV[3]
