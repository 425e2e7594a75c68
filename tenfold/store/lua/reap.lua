-- @include _clock
-- @include _job
-- @include _batch
-- Takes back the batches whose leases ran out. Only images marked as computing count a loss; with two an image runs alone, with three it fails.
-- KEYS  1 leader  2 batches  3 claims  4 computing  5 leases  6 events  7 job prefix  8 rq:job: prefix  9 rq:wip: prefix  10 rq:finished: prefix
--       11 rq:failed: prefix  12 blob prefix  13 active  14 finished  15 queued  16 changed  17 kept  18 totals
-- ARGV  1 now or ''  2 token  3 how many at most  4 how long images stay, ms  5 losses that fail an image
-- Returns the ids it took back, or an error where another scheduler leads
-- O(batches × images)
local now = now_ms(ARGV[1])
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return redis.error_reply('LEADERSHIP lost') end
local k = {batches = KEYS[2], claims = KEYS[3], computing = KEYS[4], leases = KEYS[5], job_prefix = KEYS[7], rq_job_prefix = KEYS[8],
  rq_wip_prefix = KEYS[9], rq_finished_prefix = KEYS[10], rq_failed_prefix = KEYS[11], blob_prefix = KEYS[12], active = KEYS[13],
  finished = KEYS[14], queued = KEYS[15], changed = KEYS[16], kept = KEYS[17], totals = KEYS[18]}
local fatal = tonumber(ARGV[5])

local function failure(index, record, worker, losses)
  local body = cjson.encode({index = tonumber(index), width = cjson.null, height = cjson.null, detections = cjson.null, attempts = losses,
    error = {code = 'worker_lost', message = string.format('%d workers were lost while they computed this image; it is not tried again', losses)},
    timing = cjson.null, batch = {id = record.id, size = #record.items, level = record.level, worker = worker, version = cjson.null}})
  return '{"v":1,' .. string.sub(body, 2) -- the version leads, as tenfold.contract.codec wants it
end

local function computing_of(id)
  local from, to = string.match(redis.call('HGET', KEYS[4], id) or '', '^(%d+)-(%d+)$')
  return tonumber(from or 0), tonumber(to or 0)
end

local function reap(id)
  local worker = redis.call('HGET', KEYS[3], id) or ''
  local raw = redis.call('HGET', KEYS[2], id)
  if not raw then redis.call('ZREM', KEYS[5], id) redis.call('HDEL', KEYS[3], id) redis.call('HDEL', KEYS[4], id) return end
  local record = cjson.decode(raw)
  local from, to = computing_of(id)
  local left, alone, failed, touched = {}, {}, {}, {}
  for position, item in ipairs(record.items) do
    local job, index, at = item[1], int(item[2]), position - 1
    local state = redis.call('HGET', KEYS[7] .. job, 'state')
    if state and not FINAL[state] and redis.call('HEXISTS', KEYS[7] .. job .. ':results', index) == 0 then
      local losses = 0
      if at >= from and at < to then losses = redis.call('HINCRBY', KEYS[7] .. job .. ':losses', index, 1)
      else losses = tonumber(redis.call('HGET', KEYS[7] .. job .. ':losses', index) or 0) end
      if losses >= fatal then
        commit_items(k, job, {{index, false, failure(index, record, worker, losses)}}, now, tonumber(ARGV[4]))
        failed[#failed + 1] = at
        touched[job] = true
      else
        left[#left + 1] = at
        if losses == fatal - 1 then alone[#alone + 1] = at end
      end
    end
  end
  drop_batch(k, id, 'failed', now, 3600)
  local event = {type = 'batch_lost', batch_id = id, worker = worker}
  if #left > 0 then event.left = left end
  if #alone > 0 then event.alone = alone end
  if #failed > 0 then event.failed = failed end
  redis.call('XADD', KEYS[6], '*', 'e', cjson.encode(event))
  for job in pairs(touched) do
    if not settle(k, job, now) then redis.call('PUBLISH', KEYS[16], job) end
  end
end

local ids = redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', int(now), 'LIMIT', 0, ARGV[3])
for _, id in ipairs(ids) do reap(id) end
return ids
