-- Between two micro-batches: goes on, or learns that something more urgent waits. Going on marks the next images as computing, so that a worker
-- that dies counts only against those.
-- KEYS  1 leases  2 claims  3 computing  4… the lists of more urgent queues
-- ARGV  1 batch id  2 worker  3 positions that compute next, 'a-b' (b excluded)
-- Returns 'go' | 'yield' (something more urgent waits) | 'lost' (the lease is gone)
-- O(queues)
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) or redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 'lost' end
for i = 4, #KEYS do
  if redis.call('LLEN', KEYS[i]) > 0 then return 'yield' end
end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
return 'go'
