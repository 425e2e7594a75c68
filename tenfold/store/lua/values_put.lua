-- @include _value
-- Stores one value under the key that a client chose.
-- KEYS  1 index  2 totals  3 value prefix
-- ARGV  1 key  2 value  3 bytes of values that may be stored
-- Returns 'created' | 'replaced' | 'full'
-- O(log N)
return put_value({index = KEYS[1], totals = KEYS[2], value_prefix = KEYS[3]}, ARGV[1], ARGV[2], tonumber(ARGV[3]))
