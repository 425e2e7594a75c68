-- @include _value
-- Chooses values at random, each at most once.
-- KEYS  1 index  2 value prefix
-- ARGV  1 how many  2 how many values to read at most  3 bytes of values to read at most, one value aside
-- Returns {keys chosen, values of the first of them}
-- O(asked)
local keys = redis.call('ZRANDMEMBER', KEYS[1], ARGV[1])
local first = {}
for i = 1, math.min(#keys, tonumber(ARGV[2])) do first[i] = keys[i] end
return {keys, read_values({value_prefix = KEYS[2]}, first, tonumber(ARGV[3]))}
