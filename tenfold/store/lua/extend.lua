-- @include _clock
-- @include _job
-- @include _arrival
-- Adds images, which arrived as an upload of their own, to an open job: they get their indexes here, in one step, so that parts may come at the same
-- time and be sent again. Rule 11 decides as for a new job.
-- KEYS  1 job  2 results  3 order  4 items  5 parts  6 the upload's items  7 events  8 queued  9 uploads  10 upload  11 open jobs  12 changed
--       13 totals  14 blob prefix  15 idempotency key, or the job again where there is none
-- ARGV  1 now or ''  2 job id  3 upload id  4 images  5 bytes  6 images of a job, max  7 fingerprint of the request, '' where it has no idempotency key
--       8 items max  9 bytes max  10 items max of a client  11 bytes max of a client  12… pairs of (index within the upload, result) of rejected images
-- Returns {'ok', first index} | {'gone'} | {'closed', state} | {'abandoned'} | {'too_many', total} | {'full', items, bytes} | {'client_full', items, bytes}
-- O(images)
local now = now_ms(ARGV[1])
local id, upload, count, bytes = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local known = redis.call('HGET', KEYS[5], upload)
if known then return {'ok', tonumber(known)} end
local f = redis.call('HMGET', KEYS[1], 'state', 'client', 'total', 'open')
local client, first = f[2], tonumber(f[3])
if not f[1] then return {'gone'} end
if not f[4] then return {'closed', f[1]} end
if not redis.call('ZSCORE', KEYS[9], upload) or redis.call('LLEN', KEYS[6]) ~= count then return {'abandoned'} end
if first + count > tonumber(ARGV[6]) then return {'too_many', first} end
local refusal = no_room(KEYS[8], client, count, bytes, {ARGV[8], ARGV[9], ARGV[10], ARGV[11]})
if refusal then return refusal end

local rejected, rejected_bytes = write_refused({results = KEYS[2], order = KEYS[3], totals = KEYS[13]}, ARGV, 12, first)
for i = 0, count - 1 do
  local arrived = KEYS[14] .. upload .. ':' .. int(i)
  if redis.call('EXISTS', arrived) == 1 then redis.call('RENAME', arrived, KEYS[14] .. id .. ':' .. int(first + i)) end
end
for i = 0, count - 1, 1000 do -- a thousand at once: what a call may carry is bounded
  redis.call('RPUSH', KEYS[4], unpack(redis.call('LRANGE', KEYS[6], i, i + 999)))
end
redis.call('DEL', KEYS[6], KEYS[10])
redis.call('ZREM', KEYS[9], upload)
redis.call('HSET', KEYS[5], upload, first)
redis.call('HINCRBY', KEYS[1], 'total', count)
redis.call('HINCRBY', KEYS[1], 'failed', #rejected)
redis.call('HINCRBY', KEYS[1], 'result_bytes', rejected_bytes)
redis.call('HINCRBY', KEYS[1], 'bytes_left', bytes)
join_queue(KEYS[8], client, count - #rejected, bytes)
redis.call('ZADD', KEYS[11], int(now), id)
local event = {type = 'job_extended', job_id = id, first = first, count = count}
if #rejected > 0 then event.rejected = rejected end
redis.call('XADD', KEYS[7], '*', 'e', cjson.encode(event))
if ARGV[7] ~= '' then redis.call('HSET', KEYS[15], 'fingerprint', ARGV[7]) end
redis.call('PUBLISH', KEYS[12], id)
return {'ok', first}
