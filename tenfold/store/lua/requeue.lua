-- Puts a batch back that is `queued` in RQ's hash but in no list: somebody else popped it and died.
-- KEYS  1 leader  2 RQ job  3 its queue's list  4 doorbell  5 claims
-- ARGV  1 token  2 batch id
-- Returns 1 where it was put back
-- O(length of the queue)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[2], 'status') ~= 'queued' or redis.call('HEXISTS', KEYS[5], ARGV[2]) == 1 then return 0 end
if redis.call('LPOS', KEYS[3], ARGV[2]) then return 0 end
redis.call('LPUSH', KEYS[3], ARGV[2])
redis.call('LPUSH', KEYS[4], '1')
redis.call('LTRIM', KEYS[4], 0, 63)
return 1
