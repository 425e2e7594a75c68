-- Moves a batch that still waits to a more urgent RQ queue, before the first that was dispatched after it.
-- KEYS  1 leader  2 from queue  3 to queue  4 RQ job  5 rq:queues  6 doorbell of the new level
-- ARGV  1 token  2 batch id  3 name of the new queue
-- Returns 1, or 0 where it is no longer there: somebody has claimed it, or another scheduler leads
-- O(length of the two queues), which rule 9 bounds
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.call('LREM', KEYS[2], 1, ARGV[2]) == 0 then return 0 end
if redis.call('EXISTS', KEYS[4]) == 0 then return 0 end
redis.call('HSET', KEYS[4], 'origin', ARGV[3])
redis.call('SADD', KEYS[5], KEYS[3])
local placed = false
for _, other in ipairs(redis.call('LRANGE', KEYS[3], 0, -1)) do
  if other > ARGV[2] then
    redis.call('LINSERT', KEYS[3], 'BEFORE', other, ARGV[2])
    placed = true
    break
  end
end
if not placed then redis.call('RPUSH', KEYS[3], ARGV[2]) end
redis.call('LPUSH', KEYS[6], '1')
redis.call('LTRIM', KEYS[6], 0, 63)
return 1
