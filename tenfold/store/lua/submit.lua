-- @include _clock
-- @include _job
-- Accepts a job whose images have all arrived: one step, whatever its size (rule 11 decides here).
-- KEYS  1 job  2 results  3 order  4 jobs  5 jobs of the client  6 active  7 events  8 queued  9 uploads  10 upload  11 finished
--       12 changed  13 job prefix  14 totals  15 idempotency key, or the job again where there is none
-- ARGV  1 now or ''  2 job id  3 client  4 total  5 bytes  6 submission  7 event  8 items max  9 bytes max  10 items max of a client
--       11 bytes max of a client  12 lifetime of results, s  13 fingerprint of the request, '' where it has no idempotency key
--       14… pairs of (index, result) of images that were rejected
-- Returns {'ok', state} | {'exists'} | {'abandoned'} | {'full', items, bytes} | {'client_full', items, bytes}
-- O(rejected)
local now = now_ms(ARGV[1])
local id, client, total, bytes = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
if redis.call('EXISTS', KEYS[1]) == 1 then return {'exists'} end
if not redis.call('ZSCORE', KEYS[9], id) then return {'abandoned'} end
local q = redis.call('HMGET', KEYS[8], 'items', 'bytes', 'items:' .. client, 'bytes:' .. client)
for i = 1, 4 do q[i] = tonumber(q[i] or 0) end
if q[3] + total > tonumber(ARGV[10]) or q[4] + bytes > tonumber(ARGV[11]) then return {'client_full', q[3], q[4]} end
if q[1] + total > tonumber(ARGV[8]) or q[2] + bytes > tonumber(ARGV[9]) then return {'full', q[1], q[2]} end
local rejected, rejected_bytes = 0, 0
for i = 14, #ARGV, 2 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  redis.call('RPUSH', KEYS[3], ARGV[i])
  rejected = rejected + 1
  rejected_bytes = rejected_bytes + #ARGV[i + 1]
end
redis.call('HSET', KEYS[1], 'submission', ARGV[6], 'client', client, 'state', 'queued', 'total', total, 'done', 0, 'failed', rejected,
  'bytes_left', bytes, 'result_bytes', rejected_bytes, 'submitted_ms', int(now), 'ttl_s', ARGV[12])
if rejected_bytes > 0 then redis.call('HINCRBY', KEYS[14], 'result_bytes', rejected_bytes) end
if ARGV[13] ~= '' then
  redis.call('HSET', KEYS[15], 'fingerprint', ARGV[13])
  redis.call('PUBLISH', KEYS[12], id)
end
redis.call('ZADD', KEYS[4], int(now), id)
redis.call('ZADD', KEYS[5], int(now), id)
redis.call('ZREM', KEYS[9], id)
redis.call('DEL', KEYS[10])
local waiting = total - rejected
if waiting > 0 then
  redis.call('HINCRBY', KEYS[8], 'items', waiting)
  redis.call('HINCRBY', KEYS[8], 'bytes', bytes)
  redis.call('HINCRBY', KEYS[8], 'items:' .. client, waiting)
  redis.call('HINCRBY', KEYS[8], 'bytes:' .. client, bytes)
  redis.call('ZADD', KEYS[6], int(now), id)
  redis.call('XADD', KEYS[7], '*', 'e', ARGV[7])
  return {'ok', 'queued'}
end
redis.call('HSET', KEYS[1], 'bytes_left', 0)
end_job({job_prefix = KEYS[13], active = KEYS[6], finished = KEYS[11], queued = KEYS[8], changed = KEYS[12]}, id, 'failed', now)
return {'ok', 'failed'}
