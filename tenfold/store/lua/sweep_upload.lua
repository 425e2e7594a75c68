-- Drops an upload whose time is over, with all that it stored: in one step, so that nothing is written beside it.
-- KEYS  1 upload  2 uploads  3 items  4 blob prefix
-- ARGV  1 job id  2 now, ms
-- Returns 1, or 0 where it lives (again)
-- O(images)
local score = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not score or tonumber(score) > tonumber(ARGV[2]) then return 0 end
for index = 0, tonumber(redis.call('HGET', KEYS[1], 'images') or 0) - 1 do
  redis.call('UNLINK', KEYS[4] .. ARGV[1] .. ':' .. index)
end
redis.call('DEL', KEYS[1], KEYS[3])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
