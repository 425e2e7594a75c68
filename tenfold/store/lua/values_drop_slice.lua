-- @include _value
-- Deletes the next values in the order of their keys; the caller goes on from the last one, so that all of them go in slices that stop nobody.
-- KEYS  1 index  2 totals  3 value prefix
-- ARGV  1 where to begin, as ZRANGE BYLEX takes it  2 how many at most
-- Returns {how many it deleted, the last key, or '' where none was left}
-- O(slice · log N)
local keys = redis.call('ZRANGE', KEYS[1], ARGV[1], '+', 'BYLEX', 'LIMIT', 0, ARGV[2])
local dropped = drop_values({index = KEYS[1], totals = KEYS[2], value_prefix = KEYS[3]}, keys)
return {dropped, keys[#keys] or ''}
