-- Drops the results of final jobs and takes their bytes off the count, each once: what is sent twice over a bad line is counted once. Jobs without
-- any, these from now on too, are put aside.
-- KEYS  1 finished  2 emptied  3 totals  4 job prefix
-- ARGV  1 lifetime of the jobs' hashes, s  2… members of `finished`, 'job client bytes'
-- Returns how many had results
-- O(jobs · log all jobs)
local dropped, bytes = 0, 0
for i = 2, #ARGV do
  local ended = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if ended then
    local job, client, size = string.match(ARGV[i], '^(%S+) (%S+) (%d+)$')
    if size ~= '0' then
      redis.call('UNLINK', KEYS[4] .. job .. ':results')
      redis.call('HSET', KEYS[4] .. job, 'results_gone', 1)
      redis.call('EXPIRE', KEYS[4] .. job, ARGV[1])
      dropped, bytes = dropped + 1, bytes + tonumber(size)
    end
    redis.call('ZREM', KEYS[1], ARGV[i])
    redis.call('ZADD', KEYS[2], ended, job .. ' ' .. client .. ' 0')
  end
end
if bytes > 0 then redis.call('HINCRBY', KEYS[3], 'result_bytes', -bytes) end
return dropped
