-- @include _value
-- The next values in the order of their keys.
-- KEYS  1 index  2 value prefix
-- ARGV  1 where to begin, as ZRANGE BYLEX takes it  2 how many at most  3 bytes of values to read at most, one value aside
-- Returns {keys, their values, 1 where more follow}
-- O(log N + page)
local keys = redis.call('ZRANGE', KEYS[1], ARGV[1], '+', 'BYLEX', 'LIMIT', 0, tonumber(ARGV[2]) + 1)
local more = #keys > tonumber(ARGV[2])
if more then keys[#keys] = nil end
local values = read_values({value_prefix = KEYS[2]}, keys, tonumber(ARGV[3]))
local read = {}
for i = 1, #values do read[i] = keys[i] end
return {read, values, (more or #read < #keys) and 1 or 0}
