-- @include _clock
-- Takes images from what a client may send within a minute, all of them or none. Counted by the second: never more within 60 s.
-- KEYS  1 quota
-- ARGV  1 now or ''  2 images to take; 0 only looks whether one is left  3 images within the window
-- Returns {taken? 1 or 0, images left, ms until what was asked for is free, or on success until the next is; 0 where all are}
-- O(window in seconds)
local WINDOW_S = 60
local now = now_ms(ARGV[1])
local take, most = tonumber(ARGV[2]), tonumber(ARGV[3])
local second = math.floor(now / 1000)
local seconds, used = {}, 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local at, count = tonumber(all[i]), tonumber(all[i + 1])
  -- A whole second longer than the window: its images may have come at its end.
  if at + WINDOW_S < second then
    redis.call('HDEL', KEYS[1], all[i])
  else
    seconds[#seconds + 1] = {at, count}
    used = used + count
  end
end
table.sort(seconds, function(a, b) return a[1] < b[1] end)
local function until_free(images)
  for _, one in ipairs(seconds) do
    if images <= 0 then break end
    images = images - one[2]
    if images <= 0 then return int((one[1] + WINDOW_S + 1) * 1000 - now) end
  end
  return '0'
end
local short = used + math.max(take, 1) - most
if short > 0 then return {0, math.max(0, most - used), tonumber(until_free(short))} end
if take > 0 then
  redis.call('HINCRBY', KEYS[1], int(second), take)
  redis.call('EXPIRE', KEYS[1], WINDOW_S + 2)
  if #seconds == 0 then seconds[1] = {second, take} end
end
return {1, most - used - take, tonumber(until_free(1))}
