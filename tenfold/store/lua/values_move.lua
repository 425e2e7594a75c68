-- Moves values that are due to those that RQ carries; runs in one MULTI with RQ's own enqueue of the same ids. Refused to a scheduler that leads no
-- longer: RQ's jobs then have no value waiting for them, and the worker drops them.
-- KEYS  1 leader  2 due  3 queued values  4 doorbell
-- ARGV  1 token  2… value ids
-- Returns 1, or 0 where another scheduler leads
-- O(values · log waiting)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 2, #ARGV do
  local due = redis.call('ZSCORE', KEYS[2], ARGV[i])
  if due then
    redis.call('ZREM', KEYS[2], ARGV[i])
    redis.call('ZADD', KEYS[3], due, ARGV[i])
  end
end
redis.call('LPUSH', KEYS[4], '1')
redis.call('LTRIM', KEYS[4], 0, 63)
return 1
