-- Included by the verbs that write traces.
-- append_traces: appends to jobs' traces and notes their levels, as long as each job exists: a trace never outlives its job. KEYS from `key` on: job
-- and trace of each job; ARGV from `at` on: how many entries a trace holds at most, then for each job its level or '', how many entries, and
-- these. O(entries).
local function append_traces(key, at)
  local most = tonumber(ARGV[at])
  at = at + 1
  while at <= #ARGV do
    local level, last = ARGV[at], at + 1 + tonumber(ARGV[at + 1])
    local ttl = redis.call('TTL', KEYS[key])
    if ttl ~= -2 then
      redis.call('RPUSH', KEYS[key + 1], unpack(ARGV, at + 2, last))
      redis.call('LTRIM', KEYS[key + 1], -most, -1)
      if ttl > 0 then redis.call('EXPIRE', KEYS[key + 1], ttl) end
      if level ~= '' then redis.call('HSET', KEYS[key], 'level', level) end
    end
    key, at = key + 2, last + 1
  end
end

