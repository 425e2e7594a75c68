-- @include _clock
-- @include _job
-- @include _batch
-- Takes the most urgent batch: the highest level first, within it the one that was dispatched first, whatever its lane. Only what is still
-- `queued` is taken; canceled and expired items are dropped here; lease, claim and RQ's registration are one step with it.
-- KEYS  1 batches  2 claims  3 computing  4 leases  5 events  6 job prefix  7 rq:job: prefix  8 rq:wip: prefix  9 rq:finished: prefix
--       10 rq:failed: prefix  11 rq:worker of this worker  12 doorbell prefix  13 blob prefix  14… the queues' lists, level by level, each
--       level's lanes together
-- ARGV  1 now or ''  2 worker  3 lease, ms  4 lanes a level  5 ISO time, for RQ  6 positions to mark as computing at once: how many
--       7 bytes of images that may come along, 0 for none  8… the names of the queues, as KEYS 14…
-- Returns false, or {batch id, record, dropped positions as 'a,b,…', level's place in the list, 1 where a job of it has lost a worker, else 0,
--       the images that are to run, nil for one that is gone; or nil where all together have more bytes}
-- O(queues + images of the batch + their bytes, at most ARGV 7)
local now = now_ms(ARGV[1])
local lanes = tonumber(ARGV[4])
local k = {batches = KEYS[1], claims = KEYS[2], computing = KEYS[3], leases = KEYS[4], rq_job_prefix = KEYS[7], rq_wip_prefix = KEYS[8],
  rq_finished_prefix = KEYS[9], rq_failed_prefix = KEYS[10]}

local function first_of_level(from)
  local best, at
  for i = from, from + lanes - 1 do
    local head = redis.call('LINDEX', KEYS[i], 0)
    if head and (not best or head < best) then best, at = head, i end
  end
  return best, at
end

local function dropped_of(record)
  local gone, dropped = {}, {}
  for id, share in pairs(record.jobs) do
    local state = redis.call('HGET', KEYS[6] .. id, 'state')
    local deadline = share.deadline_ms
    if not state or FINAL[state] then gone[id] = true end
    if deadline and deadline ~= cjson.null and deadline <= now then gone[id] = true end
  end
  for position, item in ipairs(record.items) do
    if gone[item[1]] then dropped[#dropped + 1] = position - 1 end
  end
  return dropped, gone
end

local function images_of(record, gone)
  local images, left = {}, tonumber(ARGV[7])
  if left == 0 then return false end
  for _, item in ipairs(record.items) do
    if not gone[item[1]] then
      local key = KEYS[13] .. item[1] .. ':' .. int(item[2])
      left = left - redis.call('STRLEN', key)
      if left < 0 then return false end
      images[#images + 1] = redis.call('GET', key)
    end
  end
  return images
end

local function tell(kind, id, fields)
  fields.type, fields.batch_id = kind, id
  redis.call('XADD', KEYS[5], '*', 'e', cjson.encode(fields))
end

local function take(id, at)
  redis.call('LPOP', KEYS[at])
  local queue = ARGV[at - 6]
  if redis.call('HGET', KEYS[7] .. id, 'status') ~= 'queued' then return nil end
  local raw = redis.call('HGET', KEYS[1], id)
  if not raw then
    drop_batch(k, id, 'canceled', now, 60)
    return nil
  end
  local record = cjson.decode(raw)
  local dropped, gone = dropped_of(record)
  if #dropped == #record.items then
    drop_batch(k, id, 'canceled', now, 60)
    -- Nobody's: no worker was lost with it.
    tell('batch_lost', id, {})
    return nil
  end
  redis.call('ZADD', KEYS[4], int(now + tonumber(ARGV[3])), id)
  redis.call('HSET', KEYS[2], id, ARGV[2])
  if tonumber(ARGV[6]) > 0 then redis.call('HSET', KEYS[3], id, '0-' .. ARGV[6]) end
  redis.call('ZADD', KEYS[8] .. queue, 9999999999, id .. ':' .. id)
  redis.call('HSET', KEYS[7] .. id, 'status', 'started', 'started_at', ARGV[5], 'last_heartbeat', ARGV[5], 'worker_name', ARGV[2])
  if redis.call('EXISTS', KEYS[11]) == 1 then redis.call('HSET', KEYS[11], 'state', 'busy', 'current_job', id) end
  for job in pairs(record.jobs) do
    if not gone[job] and redis.call('HGET', KEYS[6] .. job, 'state') == 'queued' then
      redis.call('HSET', KEYS[6] .. job, 'state', 'running', 'started_ms', int(now))
    end
  end
  tell('batch_claimed', id, {worker = ARGV[2], dropped = #dropped > 0 and dropped or nil})
  local marked = 0
  for job in pairs(record.jobs) do
    if redis.call('EXISTS', KEYS[6] .. job .. ':losses') == 1 then marked = 1 end
  end
  return {id, raw, table.concat(dropped, ','), math.floor((at - 14) / lanes), marked, images_of(record, gone)}
end

local from = 14
while from <= #KEYS do
  local id, at = first_of_level(from)
  if not id then
    from = from + lanes
  else
    local taken = take(id, at)
    if taken then return taken end
  end
end
-- All these queues are empty, so what their doorbells still hold would only wake workers in vain.
local bells = {}
for i = 8, #ARGV do bells[#bells + 1] = KEYS[12] .. ARGV[i] end
redis.call('DEL', unpack(bells))
return false
