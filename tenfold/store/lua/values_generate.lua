-- @include _clock
-- Begins a run: one step, whatever its size. Its values wait under the moments at which they are due, on Redis' clock.
-- KEYS  1 run  2 due  3 queued values  4 events
-- ARGV  1 now or ''  2 run id  3 client  4 window, ms  5 lifetime of the run, s  6 event  7 values that may wait  8… offsets of the moments, ms
-- Returns {'ok', started, ms} | {'full', how many wait, ms until there is room, or '' where that is not known}
-- O(values · log waiting)
local now = now_ms(ARGV[1])
local started = redis.call('HGET', KEYS[1], 'started_ms')
if started then return {'ok', started} end
local count = #ARGV - 7
local waiting = redis.call('ZCARD', KEYS[2]) + redis.call('ZCARD', KEYS[3])
local over = waiting + count - tonumber(ARGV[7])
if over > 0 then
  local last = redis.call('ZRANGE', KEYS[2], int(over - 1), int(over - 1), 'WITHSCORES')[2]
  return {'full', waiting, last and int(math.max(0, tonumber(last) - now)) or ''}
end
redis.call('HSET', KEYS[1], 'client', ARGV[3], 'state', 'running', 'requested', count, 'stored', 0, 'late', 0, 'failed', 0,
  'started_ms', int(now), 'ends_ms', string.format('%.3f', now + tonumber(ARGV[4])), 'ttl_s', ARGV[5])
for i = 8, #ARGV do
  redis.call('ZADD', KEYS[2], string.format('%.3f', now + tonumber(ARGV[i])), ARGV[2] .. '-' .. int(i - 8))
end
redis.call('XADD', KEYS[4], '*', 'e', ARGV[6])
return {'ok', int(now)}
