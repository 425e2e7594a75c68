-- @include _clock
-- A worker's heartbeat: it lives, and it still holds these batches.
-- KEYS  1 beats  2 leases  3 claims  4 rq:worker of this worker  5 workers
-- ARGV  1 now or ''  2 worker  3 lease, ms  4 ISO time, for RQ  5 RQ's lifetime of the worker, s  6 its record  7… batch ids
-- Returns how many of the batches it still holds
-- O(batches)
local now = now_ms(ARGV[1])
redis.call('ZADD', KEYS[1], int(now), ARGV[2])
redis.call('HSET', KEYS[5], ARGV[2], ARGV[6])
if redis.call('EXISTS', KEYS[4]) == 1 then
  redis.call('HSET', KEYS[4], 'last_heartbeat', ARGV[4])
  redis.call('EXPIRE', KEYS[4], ARGV[5])
end
local held = 0
for i = 7, #ARGV do
  if redis.call('HGET', KEYS[3], ARGV[i]) == ARGV[2] and redis.call('ZSCORE', KEYS[2], ARGV[i]) then
    redis.call('ZADD', KEYS[2], 'XX', int(now + tonumber(ARGV[3])), ARGV[i])
    held = held + 1
  end
end
return held
