-- Included by the verbs that can move a job. Keys of a job are built from its id here, since a batch names its jobs only inside.
-- The server is one node (RQ itself is not for Cluster), so a key need not be declared to be reached.
local FINAL = {succeeded = true, failed = true, canceled = true, expired = true}

-- less: lowers one of the admission counters; at nothing it is gone. O(1).
local function less(queued, field, by)
  if by ~= 0 and redis.call('HINCRBY', queued, field, -by) <= 0 then redis.call('HDEL', queued, field) end
end

-- leave_queue: takes items and bytes off the admission counters, in total and of the client. O(1).
local function leave_queue(queued, client, items, bytes)
  less(queued, 'items', items)
  less(queued, 'bytes', bytes)
  less(queued, 'items:' .. client, items)
  less(queued, 'bytes:' .. client, bytes)
end

-- close_job: nothing more is added to an open job. Returns whether it was open. k: {job_prefix, queued, open}. O(log open jobs).
local function close_job(k, id)
  local key = k.job_prefix .. id
  if redis.call('HDEL', key, 'open') == 0 then return false end
  redis.call('ZREM', k.open, id)
  less(k.queued, 'open:' .. redis.call('HGET', key, 'client'), 1)
  return true
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
  for _, part in ipairs({'', ':items', ':results', ':order', ':trace', ':losses', ':parts'}) do
    redis.call('EXPIRE', key .. part, f[7])
  end
  redis.call('PUBLISH', k.changed, id)
end

-- settle: makes the job final if its last item is and no more can come. Returns true if it did.
local function settle(k, id, now)
  local f = redis.call('HMGET', k.job_prefix .. id, 'total', 'done', 'failed', 'open')
  local done, failed = tonumber(f[2]), tonumber(f[3])
  if f[4] or done + failed < tonumber(f[1]) then return false end
  end_job(k, id, done > 0 and 'succeeded' or 'failed', now)
  return true
end

-- commit_items: writes the one result of each of a job's images that has none, unless the job is final. Returns how many were written.
-- items: {index, ok, result} each; k also holds {blob_prefix, kept, totals}; keep_ms: how long an image stays afterwards, 0: not at all.
-- Counters are moved once a job: they cost more than the results.
local function commit_items(k, id, items, now, keep_ms)
  local key = k.job_prefix .. id
  local f = redis.call('HMGET', key, 'state', 'client')
  if not f[1] or FINAL[f[1]] then return 0 end
  local written, done, bytes, result_bytes, kept_bytes = {}, 0, 0, 0, 0
  for _, item in ipairs(items) do
    local index, ok, result = item[1], item[2], item[3]
    if redis.call('HSETNX', key .. ':results', index, result) == 1 then
      local blob = k.blob_prefix .. id .. ':' .. index
      local size = redis.call('STRLEN', blob)
      written[#written + 1] = index
      result_bytes = result_bytes + #result
      bytes = bytes + size
      if ok then done = done + 1 end
      if keep_ms > 0 and size > 0 then
        redis.call('PEXPIRE', blob, int(keep_ms))
        redis.call('ZADD', k.kept, int(now), id .. ':' .. index .. ':' .. int(size))
        kept_bytes = kept_bytes + size
      else
        redis.call('UNLINK', blob)
      end
    end
  end
  if #written == 0 then return 0 end
  redis.call('RPUSH', key .. ':order', unpack(written))
  if done > 0 then redis.call('HINCRBY', key, 'done', done) end
  if #written > done then redis.call('HINCRBY', key, 'failed', #written - done) end
  redis.call('HINCRBY', key, 'result_bytes', result_bytes)
  redis.call('HINCRBY', key, 'bytes_left', -bytes)
  redis.call('HINCRBY', k.totals, 'result_bytes', result_bytes)
  if kept_bytes > 0 then redis.call('HINCRBY', k.totals, 'kept_bytes', kept_bytes) end
  leave_queue(k.queued, f[2], #written, bytes)
  return #written
end
