-- @include _value
-- Deletes one value.
-- KEYS  1 index  2 totals  3 value prefix
-- ARGV  1 key
-- Returns the value that it had, or false
-- O(log N)
local value = redis.call('GET', KEYS[3] .. ARGV[1])
drop_values({index = KEYS[1], totals = KEYS[2], value_prefix = KEYS[3]}, {ARGV[1]})
return value
