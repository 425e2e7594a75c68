-- @include _value
-- Deletes values at random.
-- KEYS  1 index  2 totals  3 value prefix
-- ARGV  1 how many at most
-- Returns how many it deleted
-- O(asked · log N)
local keys = redis.call('ZRANDMEMBER', KEYS[1], ARGV[1])
return drop_values({index = KEYS[1], totals = KEYS[2], value_prefix = KEYS[3]}, keys)
