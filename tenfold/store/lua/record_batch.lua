-- Makes a batch known before RQ carries it; runs in one MULTI with RQ's own enqueue. Refused to a scheduler that leads no longer:
-- RQ's job then has no record and the claim drops it.
-- KEYS  1 leader  2 batches  3 doorbell
-- ARGV  1 token  2 batch id  3 record
-- Returns 1, or 0 where another scheduler leads
-- O(1)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('LPUSH', KEYS[3], '1')
redis.call('LTRIM', KEYS[3], 0, 63)
return 1
