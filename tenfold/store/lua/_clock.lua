-- Included by the verbs that need the time. Redis' own clock, unless a test hands one in.
-- now_ms(injected): milliseconds since the epoch. `injected` is '' in production.
local function now_ms(injected)
  if injected and injected ~= '' then return tonumber(injected) end
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
local function int(x) return string.format('%.0f', x) end
