-- Included by the verbs that end a batch.
-- drop_batch: forgets a batch and tells RQ how it ended. k: {batches, claims, computing, leases, rq_job_prefix, rq_wip_prefix, rq_finished_prefix,
-- rq_failed_prefix}; status: RQ's word; ttl_s: how long RQ's tools still show it. Its queue is what RQ's hash says, since batches move. O(1).
local function drop_batch(k, id, status, now, ttl_s)
  local job = k.rq_job_prefix .. id
  local queue = redis.call('HGET', job, 'origin') or ''
  redis.call('HDEL', k.batches, id)
  redis.call('HDEL', k.claims, id)
  redis.call('HDEL', k.computing, id)
  redis.call('ZREM', k.leases, id)
  redis.call('ZREM', k.rq_wip_prefix .. queue, id .. ':' .. id)
  local seconds = math.floor(now / 1000)
  for _, registry in ipairs({k.rq_finished_prefix .. queue, k.rq_failed_prefix .. queue}) do
    redis.call('ZREMRANGEBYSCORE', registry, '-inf', seconds)
  end
  if queue == '' then return end
  redis.call('HSET', job, 'status', status)
  redis.call('EXPIRE', job, ttl_s)
  local registry = ({finished = k.rq_finished_prefix, failed = k.rq_failed_prefix})[status]
  if registry then
    redis.call('ZADD', registry .. queue, seconds + ttl_s, id)
    redis.call('EXPIRE', registry .. queue, ttl_s)
  end
end
