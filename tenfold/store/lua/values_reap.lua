-- @include _clock
-- @include _run
-- Holds the values that RQ carries against RQ: one that fell out of the queue is put back, one that somebody deleted, canceled or took fails by name.
-- KEYS  1 leader  2 queued values  3 the RQ queue's list  4 doorbell  5 run prefix  6 rq:job: prefix  7 rq:failed of the queue
--       8 rq:canceled of the queue, which RQ itself never trims
-- ARGV  1 now or ''  2 token  3 how many at most  4 how long a job may be in a stranger's hands, ms
-- Returns how many were put back or failed, or an error where another scheduler leads
-- O(values · length of the queue), and the oldest stand at its head
local now = now_ms(ARGV[1])
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return redis.error_reply('LEADERSHIP lost') end
local k = {run_prefix = KEYS[5], rq_job_prefix = KEYS[6], rq_failed = KEYS[7]}

local function give_up(id, code, message)
  redis.call('ZREM', KEYS[2], id)
  redis.call('LREM', KEYS[3], 0, id)
  redis.call('ZREM', KEYS[8], id)
  local run = split_id(id)
  if redis.call('EXISTS', KEYS[5] .. run) == 1 then fail_value(k, id, code, message, now) end
end

local function check(id, due)
  local status = redis.call('HGET', KEYS[6] .. id, 'status')
  if status == 'queued' then
    if redis.call('LPOS', KEYS[3], id) then return 0 end
    redis.call('LPUSH', KEYS[3], id)
    redis.call('LPUSH', KEYS[4], '1')
    redis.call('LTRIM', KEYS[4], 0, 63)
  elseif not status then
    give_up(id, 'job_deleted', 'somebody deleted its RQ job before it ran')
  elseif status == 'started' then
    if now - due < tonumber(ARGV[4]) then return 0 end
    give_up(id, 'job_taken', 'a worker that is not a values worker took its RQ job and did not end it')
  else
    give_up(id, 'job_' .. status, 'its RQ job was made ' .. status .. ' by somebody other than a values worker')
  end
  return 1
end

local changed = 0
local oldest = redis.call('ZRANGE', KEYS[2], 0, tonumber(ARGV[3]) - 1, 'WITHSCORES')
for i = 1, #oldest, 2 do changed = changed + check(oldest[i], tonumber(oldest[i + 1])) end
return changed
