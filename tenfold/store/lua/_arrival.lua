-- Included by the verbs that take images in, after _job.
-- no_room: which bound of rule 11 so many images more would pass, as {'client_full' | 'full', items, bytes} with what is queued; nil where none.
-- max: {items, bytes, items of a client, bytes of a client}. O(1).
local function no_room(queued, client, items, bytes, max)
  local q = redis.call('HMGET', queued, 'items', 'bytes', 'items:' .. client, 'bytes:' .. client)
  for i = 1, 4 do q[i] = tonumber(q[i] or 0) end
  if q[3] + items > tonumber(max[3]) or q[4] + bytes > tonumber(max[4]) then return {'client_full', q[3], q[4]} end
  if q[1] + items > tonumber(max[1]) or q[2] + bytes > tonumber(max[2]) then return {'full', q[1], q[2]} end
  return nil
end

-- join_queue: counts images that wait from now on. O(1).
local function join_queue(queued, client, items, bytes)
  if items == 0 then return end
  redis.call('HINCRBY', queued, 'items', items)
  redis.call('HINCRBY', queued, 'bytes', bytes)
  redis.call('HINCRBY', queued, 'items:' .. client, items)
  redis.call('HINCRBY', queued, 'bytes:' .. client, bytes)
end

-- write_refused: the errors of images that were refused at the door; k: {results, order, totals}. `pairs_of` holds (index, result) from place `from`
-- on, counted within what arrives: `first` is the index that its first image has in the job. Returns the indexes, and the bytes of the results. O(refused).
local function write_refused(k, pairs_of, from, first)
  local indexes, bytes = {}, 0
  for i = from, #pairs_of, 2 do
    local index = int(first + tonumber(pairs_of[i]))
    local result, moved = string.gsub(pairs_of[i + 1], '^({"v":%d+,"index":)%d+', '%1' .. index)
    if moved ~= 1 then error('a result does not begin with its index') end
    redis.call('HSET', k.results, index, result)
    redis.call('RPUSH', k.order, index)
    indexes[#indexes + 1] = tonumber(index)
    bytes = bytes + #result
  end
  if bytes > 0 then redis.call('HINCRBY', k.totals, 'result_bytes', bytes) end
  return indexes, bytes
end
