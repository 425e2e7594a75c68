-- @include _clock
-- @include _job
-- @include _batch
-- Ends a batch: writes the results of what ran, each once, and gives the batch up. Only its holder can.
-- KEYS  1 batches  2 claims  3 computing  4 leases  5 events  6 job prefix  7 rq:job: prefix  8 rq:wip: prefix  9 rq:finished: prefix
--       10 rq:failed: prefix  11 rq:worker of this worker  12 blob prefix  13 active  14 finished  15 queued  16 changed  17 kept  18 totals
-- ARGV  1 now or ''  2 batch id  3 worker  4 event  5 how long images stay, ms  6 ISO time, for RQ  7 seconds it took
--       8… (job id, index, 1 or 0, result) an image
-- Returns -1 where the lease is gone (nothing was written), else the number of results written: 0 where they were written before
-- O(images)
local now = now_ms(ARGV[1])
local id, worker = ARGV[2], ARGV[3]
local is_over = not redis.call('ZSCORE', KEYS[4], id) or redis.call('HGET', KEYS[2], id) ~= worker
if is_over then
  -- Sent again after a lost answer it is over too, but by this very commit.
  local ended = redis.call('HMGET', KEYS[7] .. id, 'status', 'worker_name')
  if ended[1] == 'finished' and ended[2] == worker then return 0 end
end
if is_over then return -1 end
local k = {batches = KEYS[1], claims = KEYS[2], computing = KEYS[3], leases = KEYS[4], job_prefix = KEYS[6], rq_job_prefix = KEYS[7],
  rq_wip_prefix = KEYS[8], rq_finished_prefix = KEYS[9], rq_failed_prefix = KEYS[10], blob_prefix = KEYS[12], active = KEYS[13],
  finished = KEYS[14], queued = KEYS[15], changed = KEYS[16], kept = KEYS[17], totals = KEYS[18]}
local by_job, jobs = {}, {}
for i = 8, #ARGV, 4 do
  local job = ARGV[i]
  if not by_job[job] then
    by_job[job] = {}
    jobs[#jobs + 1] = job
  end
  table.insert(by_job[job], {ARGV[i + 1], ARGV[i + 2] == '1', ARGV[i + 3]})
end
local written, touched = 0, {}
for _, job in ipairs(jobs) do
  local count = commit_items(k, job, by_job[job], now, tonumber(ARGV[5]))
  written = written + count
  if count > 0 then touched[#touched + 1] = job end
end
redis.call('HSET', KEYS[7] .. id, 'ended_at', ARGV[6])
drop_batch(k, id, 'finished', now, 60)
if redis.call('EXISTS', KEYS[11]) == 1 then
  local current = redis.call('HGET', KEYS[11], 'current_job')
  if not current or current == id then -- else the next one is in hand
    redis.call('HSET', KEYS[11], 'state', 'idle')
    redis.call('HDEL', KEYS[11], 'current_job')
  end
  redis.call('HINCRBY', KEYS[11], 'successful_job_count', 1)
  redis.call('HINCRBYFLOAT', KEYS[11], 'total_working_time', ARGV[7])
end
redis.call('XADD', KEYS[5], '*', 'e', ARGV[4])
for _, job in ipairs(touched) do
  if not settle(k, job, now) then redis.call('PUBLISH', KEYS[16], job) end
end
return written
