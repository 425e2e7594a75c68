-- @include _value
-- The values of these keys in order, as many as fit.
-- KEYS  1 value prefix
-- ARGV  1 bytes of values to read at most, one value aside  2… keys
-- Returns the values of the first keys, false for one that is gone
-- O(keys)
local keys = {}
for i = 2, #ARGV do keys[#keys + 1] = ARGV[i] end
return read_values({value_prefix = KEYS[1]}, keys, tonumber(ARGV[1]))
