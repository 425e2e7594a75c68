-- Included by the verbs of the values. A value lies under its own key; `index` is a sorted set of all keys with one score, so that Redis keeps it in
-- the order of the keys' bytes: pages are stable, and a random choice costs what is asked for.
local OVERHEAD = 200 -- bytes that Redis needs for a key, its place in the index and its entry, about

local function weight(key, length) return #key + length + OVERHEAD end

-- weigh: moves the counter of stored bytes; at nothing it is gone. O(1).
local function weigh(totals, by)
  if by ~= 0 and redis.call('HINCRBY', totals, 'value_bytes', by) <= 0 then redis.call('HDEL', totals, 'value_bytes') end
end

-- put_value: stores one value. Returns 'full' where that would pass bytes_max, else 'created' or 'replaced'. k: {index, totals, value_prefix}. O(log N).
local function put_value(k, key, value, bytes_max)
  local known = redis.call('ZSCORE', k.index, key)
  local grows = weight(key, #value) - (known and weight(key, redis.call('STRLEN', k.value_prefix .. key)) or 0)
  if grows > 0 and tonumber(redis.call('HGET', k.totals, 'value_bytes') or 0) + grows > bytes_max then return 'full' end
  redis.call('SET', k.value_prefix .. key, value)
  redis.call('ZADD', k.index, 0, key)
  weigh(k.totals, grows)
  return known and 'replaced' or 'created'
end

-- drop_values: deletes these keys with their values; how many there were. O(keys · log N).
local function drop_values(k, keys)
  local dropped, bytes = 0, 0
  for _, key in ipairs(keys) do
    if redis.call('ZREM', k.index, key) == 1 then
      bytes = bytes + weight(key, redis.call('STRLEN', k.value_prefix .. key))
      redis.call('UNLINK', k.value_prefix .. key)
      dropped = dropped + 1
    end
  end
  weigh(k.totals, -bytes)
  return dropped
end

-- read_values: the values of these keys in order, until their bytes pass bytes_max; false for one that is gone. At least one. O(keys).
local function read_values(k, keys, bytes_max)
  local values, bytes = {}, 0
  for _, key in ipairs(keys) do
    local value = redis.call('GET', k.value_prefix .. key)
    bytes = bytes + #(value or '')
    if bytes > bytes_max and #values > 0 then break end
    values[#values + 1] = value
  end
  return values
end
