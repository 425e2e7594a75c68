-- Gives a reserved idempotency key back, where its upload came to nothing.
-- KEYS  1 idempotency key
-- ARGV  1 job id
-- Returns 1 where it was this job's and no job came of it
-- O(1)
local held = redis.call('HMGET', KEYS[1], 'job', 'fingerprint')
if held[1] == ARGV[1] and held[2] == '' then return redis.call('DEL', KEYS[1]) end
return 0
