-- @include _clock
-- @include _job
-- @include _arrival
-- @include _upload
-- Accepts a job whose images have all arrived: one step, whatever its size (rule 11 decides here). An open one may have none yet. Images of which
-- nothing was stored before come along.
-- KEYS  1 job  2 results  3 order  4 jobs  5 jobs of the client  6 active  7 events  8 queued  9 uploads  10 upload  11 finished
--       12 changed  13 job prefix  14 totals  15 idempotency key, or the job again where there is none  16 open jobs  17 items  18… the image of each piece that comes
--       along
-- ARGV  1 now or ''  2 job id  3 client  4 total  5 bytes  6 submission  7 event  8 items max  9 bytes max  10 items max of a client
--       11 bytes max of a client  12 lifetime of results, s  13 fingerprint of the request, '' where it has no idempotency key
--       14 '1' where it is open, else ''  15 open jobs max of a client  16 how many pieces come along, '' where the upload is stored already
--       17… where they come along: (offset, bytes) of each, how many images, and what is known of each  then pairs of (index, result) of
--       images that were rejected
-- Returns {'ok', state} | {'exists'} | {'abandoned'} | {'full', items, bytes} | {'client_full', items, bytes} | {'too_many_open', jobs}
-- O(rejected + bytes that come along)
local now = now_ms(ARGV[1])
local id, client, total, bytes = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local open = ARGV[14] == '1'
if redis.call('EXISTS', KEYS[1]) == 1 then return {'exists'} end
local comes_along = ARGV[16] ~= ''
if not comes_along and not redis.call('ZSCORE', KEYS[9], id) then return {'abandoned'} end
local refusal = no_room(KEYS[8], client, total, bytes, {ARGV[8], ARGV[9], ARGV[10], ARGV[11]})
if refusal then return refusal end
if open then
  local others = tonumber(redis.call('HGET', KEYS[8], 'open:' .. client) or 0)
  if others >= tonumber(ARGV[15]) then return {'too_many_open', others} end
end
local pairs_from = 17
if comes_along then
  local counted = store_pieces(18, 17, tonumber(ARGV[16]))
  pairs_from = counted + 1 + tonumber(ARGV[counted])
  note_images(KEYS[17], counted + 1, pairs_from - 1)
end
local rejected, rejected_bytes = write_refused({results = KEYS[2], order = KEYS[3], totals = KEYS[14]}, ARGV, pairs_from, 0)
redis.call('HSET', KEYS[1], 'submission', ARGV[6], 'client', client, 'state', 'queued', 'total', total, 'done', 0, 'failed', #rejected,
  'bytes_left', bytes, 'result_bytes', rejected_bytes, 'submitted_ms', int(now), 'ttl_s', ARGV[12])
if ARGV[13] ~= '' then
  redis.call('HSET', KEYS[15], 'fingerprint', ARGV[13])
  redis.call('PUBLISH', KEYS[12], id)
end
redis.call('ZADD', KEYS[4], int(now), id)
redis.call('ZADD', KEYS[5], int(now), id)
if not comes_along then
  redis.call('ZREM', KEYS[9], id)
  redis.call('DEL', KEYS[10])
end
if open then
  redis.call('HSET', KEYS[1], 'open', 1)
  redis.call('HINCRBY', KEYS[8], 'open:' .. client, 1)
  redis.call('ZADD', KEYS[16], int(now), id)
end
local waiting = total - #rejected
join_queue(KEYS[8], client, waiting, bytes)
if waiting > 0 or open then
  redis.call('ZADD', KEYS[6], int(now), id)
  redis.call('XADD', KEYS[7], '*', 'e', ARGV[7])
  return {'ok', 'queued'}
end
redis.call('HSET', KEYS[1], 'bytes_left', 0)
end_job({job_prefix = KEYS[13], active = KEYS[6], finished = KEYS[11], queued = KEYS[8], changed = KEYS[12]}, id, 'failed', now)
return {'ok', 'failed'}
