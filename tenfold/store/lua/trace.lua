-- Appends to a job's trace and notes its level, as long as the job exists: a trace never outlives its job.
-- KEYS  1 job  2 trace
-- ARGV  1 entries at most  2 level or ''  3… entries
-- Returns 1, or 0 where the job is gone
-- O(entries)
local ttl = redis.call('TTL', KEYS[1])
if ttl == -2 then return 0 end
for i = 3, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[i]) end
redis.call('LTRIM', KEYS[2], -tonumber(ARGV[1]), -1)
if ttl > 0 then redis.call('EXPIRE', KEYS[2], ttl) end
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'level', ARGV[2]) end
return 1
