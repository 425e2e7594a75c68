-- Included by the verbs that can move a job. Keys of a job are built from its id here, since a batch names its jobs only inside.
-- The server is one node (RQ itself is not for Cluster), so a key need not be declared to be reached.
local FINAL = {succeeded = true, failed = true, canceled = true, expired = true}

-- leave_queue: takes items and bytes off the admission counters, in total and of the client. O(1).
local function leave_queue(queued, client, items, bytes)
  local function less(field, by)
    if by ~= 0 and redis.call('HINCRBY', queued, field, -by) <= 0 then redis.call('HDEL', queued, field) end
  end
  less('items', items)
  less('bytes', bytes)
  less('items:' .. client, items)
  less('bytes:' .. client, bytes)
end

-- end_job: makes a job final, gives its keys their lifetime and tells who waits. k: {job_prefix, active, finished, queued, changed}. O(1).
local function end_job(k, id, state, now)
  local key = k.job_prefix .. id
  local f = redis.call('HMGET', key, 'client', 'total', 'done', 'failed', 'bytes_left', 'result_bytes', 'ttl_s')
  local left = tonumber(f[2]) - tonumber(f[3]) - tonumber(f[4])
  leave_queue(k.queued, f[1], left, tonumber(f[5]))
  redis.call('HSET', key, 'state', state, 'finished_ms', int(now), 'bytes_left', 0)
  redis.call('ZREM', k.active, id)
  redis.call('ZADD', k.finished, int(now), id .. ' ' .. f[1] .. ' ' .. f[6])
  for _, part in ipairs({'', ':items', ':results', ':order', ':trace', ':losses'}) do
    redis.call('EXPIRE', key .. part, f[7])
  end
  redis.call('PUBLISH', k.changed, id)
end

-- settle: makes the job final if its last item is. Returns true if it did.
local function settle(k, id, now)
  local f = redis.call('HMGET', k.job_prefix .. id, 'total', 'done', 'failed')
  local done, failed = tonumber(f[2]), tonumber(f[3])
  if done + failed < tonumber(f[1]) then return false end
  end_job(k, id, done > 0 and 'succeeded' or 'failed', now)
  return true
end

-- commit_item: writes an item's one result, unless it has one or its job is final. Returns true if written.
-- k also holds {blob_prefix, kept, totals}. keep_ms: how long the image stays afterwards, 0: not at all.
local function commit_item(k, id, index, ok, result, now, keep_ms)
  local key = k.job_prefix .. id
  local f = redis.call('HMGET', key, 'state', 'client')
  if not f[1] or FINAL[f[1]] then return false end
  if redis.call('HSETNX', key .. ':results', index, result) == 0 then return false end
  redis.call('HINCRBY', key, ok and 'done' or 'failed', 1)
  redis.call('HINCRBY', key, 'result_bytes', #result)
  redis.call('HINCRBY', k.totals, 'result_bytes', #result)
  redis.call('RPUSH', key .. ':order', index)
  local blob = k.blob_prefix .. id .. ':' .. index
  local bytes = redis.call('STRLEN', blob)
  leave_queue(k.queued, f[2], 1, bytes)
  redis.call('HINCRBY', key, 'bytes_left', -bytes)
  if keep_ms > 0 and bytes > 0 then
    redis.call('PEXPIRE', blob, int(keep_ms))
    redis.call('ZADD', k.kept, int(now), id .. ':' .. index .. ':' .. int(bytes))
    redis.call('HINCRBY', k.totals, 'kept_bytes', bytes)
  else
    redis.call('UNLINK', blob)
  end
  return true
end
