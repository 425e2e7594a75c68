-- Reserves an idempotency key for an upload that has begun. A reservation whose upload is gone without a job is taken over.
-- KEYS  1 idempotency key  2 uploads
-- ARGV  1 job id  2 how long a key lives, s
-- Returns {'new'} | {'held', job id, fingerprint}, the fingerprint '' while that job's body still arrives
-- O(log uploads)
local held = redis.call('HMGET', KEYS[1], 'job', 'fingerprint')
if held[1] and (held[2] ~= '' or redis.call('ZSCORE', KEYS[2], held[1])) then return {'held', held[1], held[2]} end
redis.call('HSET', KEYS[1], 'job', ARGV[1], 'fingerprint', '')
redis.call('EXPIRE', KEYS[1], ARGV[2])
return {'new'}
