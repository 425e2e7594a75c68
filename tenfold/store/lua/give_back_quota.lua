-- Puts images back that were taken a moment ago and not accepted: from the newest seconds.
-- KEYS  1 quota
-- ARGV  1 images
-- O(window in seconds)
local left = tonumber(ARGV[1])
local all = redis.call('HGETALL', KEYS[1])
local seconds = {}
for i = 1, #all, 2 do seconds[#seconds + 1] = {tonumber(all[i]), tonumber(all[i + 1]), all[i]} end
table.sort(seconds, function(a, b) return a[1] > b[1] end)
for _, one in ipairs(seconds) do
  local back = math.min(left, one[2])
  redis.call('HINCRBY', KEYS[1], one[3], -back)
  left = left - back
end
