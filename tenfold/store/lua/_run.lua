-- Included by the verbs that move a run of values on. A run's keys are built from its id here, since a value's id is '<run>-<index>'.
local function split_id(id)
  return string.match(id, '^(.*)%-(%d+)$')
end

-- settle_run: makes a run final where its last value is stored or failed, and gives its keys their lifetime. O(1).
local function settle_run(key, now)
  local f = redis.call('HMGET', key, 'requested', 'stored', 'failed', 'ttl_s')
  if tonumber(f[2]) + tonumber(f[3]) < tonumber(f[1]) then return end
  redis.call('HSET', key, 'state', tonumber(f[2]) > 0 and 'succeeded' or 'failed', 'finished_ms', int(now))
  redis.call('EXPIRE', key, f[4])
  redis.call('EXPIRE', key .. ':errors', f[4])
end

-- fail_value: counts a value as failed and names it with its reason; RQ's tools show its job among the failed ones as long as the run is kept.
-- k: {run_prefix, rq_job_prefix, rq_failed}. O(1).
local function fail_value(k, id, code, message, now)
  local run, index = split_id(id)
  local key = k.run_prefix .. run
  local ttl = tonumber(redis.call('HGET', key, 'ttl_s'))
  local seconds = math.floor(now / 1000)
  redis.call('HINCRBY', key, 'failed', 1)
  redis.call('RPUSH', key .. ':errors', cjson.encode({index = tonumber(index), code = code, message = message}))
  redis.call('ZREMRANGEBYSCORE', k.rq_failed, '-inf', seconds)
  if redis.call('EXISTS', k.rq_job_prefix .. id) == 1 then
    redis.call('HSET', k.rq_job_prefix .. id, 'status', 'failed')
    redis.call('EXPIRE', k.rq_job_prefix .. id, ttl)
    redis.call('ZADD', k.rq_failed, seconds + ttl, id)
    redis.call('EXPIRE', k.rq_failed, ttl + 1)
  end
  settle_run(key, now)
end
