-- Takes jobs whose keys have run out off the lists and their results' bytes off the count, each once: what is sent twice over a bad line is
-- counted once.
-- KEYS  1 finished, or emptied  2 totals  3 jobs  4 prefix of the jobs of a client
-- ARGV  1… members of KEYS 1, 'job client bytes'
-- Returns how many there were
-- O(jobs · log all jobs)
local dropped, bytes = 0, 0
for _, member in ipairs(ARGV) do
  if redis.call('ZREM', KEYS[1], member) == 1 then
    local job, client, size = string.match(member, '^(%S+) (%S+) (%d+)$')
    redis.call('ZREM', KEYS[3], job)
    redis.call('ZREM', KEYS[4] .. client, job)
    dropped, bytes = dropped + 1, bytes + tonumber(size)
  end
end
if bytes > 0 then redis.call('HINCRBY', KEYS[2], 'result_bytes', -bytes) end
return dropped
