-- @include _clock
-- @include _value
-- @include _run
-- Claims values, stores them and finishes their RQ jobs, in one step: none is ever half done, none is stored twice. Each takes the next outcome that the
-- worker brought: a new value, or why none could be made.
-- KEYS  1 the RQ queue's list  2 queued values  3 index  4 totals  5 doorbell  6 run prefix  7 value prefix  8 rq:job: prefix  9 rq:failed of the queue
--       10 rq:worker of this worker  11 values workers  12 their beats
-- ARGV  1 now or ''  2 worker  3 when it joined, ms  4 bytes of values that may be stored  5… (kind, key or code, value or message) an outcome; kind is
--       'stored' or 'failed'
-- Returns how many values it settled; fewer than outcomes: nothing waits any more
-- O(outcomes · log N)
local now = now_ms(ARGV[1])
local worker, joined, bytes_max = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local k = {index = KEYS[3], totals = KEYS[4], value_prefix = KEYS[7], run_prefix = KEYS[6], rq_job_prefix = KEYS[8], rq_failed = KEYS[9]}

-- The next value that still waits and the moment at which it was due. What somebody else has settled or taken away is dropped on the way.
local function claim()
  while true do
    local id = redis.call('LPOP', KEYS[1])
    if not id then return nil end
    local due = redis.call('ZSCORE', KEYS[2], id)
    local status = redis.call('HGET', KEYS[8] .. id, 'status')
    local run = split_id(id)
    if due and status == 'queued' and redis.call('EXISTS', KEYS[6] .. run) == 1 then
      redis.call('ZREM', KEYS[2], id)
      return id, tonumber(due), KEYS[6] .. run
    end
    if status == 'queued' then redis.call('UNLINK', KEYS[8] .. id) end
  end
end

-- Whether some worker lived when this was due: the one that stores it, or another that has beaten since.
local function was_served(due)
  if joined <= due then return true end
  local all = redis.call('HGETALL', KEYS[11])
  for i = 1, #all, 2 do
    local beat = redis.call('ZSCORE', KEYS[12], all[i])
    if all[i] ~= worker and tonumber(all[i + 1]) <= due and beat and tonumber(beat) >= due then return true end
  end
  return false
end

local function store(id, due, run, key, value)
  if put_value(k, key, value, bytes_max) == 'full' then
    fail_value(k, id, 'values_full', 'the stored values have reached TENFOLD_STORED_VALUES_BYTES_MAX; delete some and generate again', now)
    return
  end
  redis.call('HINCRBY', run, 'stored', 1)
  if now > tonumber(redis.call('HGET', run, 'ends_ms')) or not was_served(due) then redis.call('HINCRBY', run, 'late', 1) end
  redis.call('UNLINK', KEYS[8] .. id)
  settle_run(run, now)
end

local settled = 0
for i = 5, #ARGV, 3 do
  local kind, key, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  -- A key that is there already: this very call ran before and its answer was lost on the way.
  if kind == 'failed' or redis.call('EXISTS', KEYS[7] .. key) == 0 then
    local id, due, run = claim()
    if not id then
      redis.call('DEL', KEYS[5])
      break
    end
    if kind == 'failed' then fail_value(k, id, key, value, now) else store(id, due, run, key, value) end
    settled = settled + 1
  end
end
if settled > 0 and redis.call('EXISTS', KEYS[10]) == 1 then redis.call('HINCRBY', KEYS[10], 'successful_job_count', settled) end
return settled
