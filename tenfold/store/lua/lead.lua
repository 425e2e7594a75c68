-- Takes, renews or gives up the leadership. Every new leadership has a higher token, and the store's other verbs check it.
-- KEYS  1 leader  2 epoch
-- ARGV  1 own token or '' where one has none  2 lease, ms; 0 gives it up
-- Returns the token one leads with, or false where another leads
-- O(1)
local held = redis.call('GET', KEYS[1])
if held and held == ARGV[1] then
  if ARGV[2] == '0' then redis.call('DEL', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  return held
end
if held or ARGV[2] == '0' then return false end
local token = tostring(redis.call('INCR', KEYS[2]))
redis.call('SET', KEYS[1], token, 'PX', ARGV[2])
return token
