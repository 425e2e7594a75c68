-- @include _trace
-- Makes batches known and carries out what RQ enqueues each of them with, then appends to the traces of their jobs. Refused as a whole to a
-- scheduler that leads no longer. A batch that is known already, as when the same was sent twice over a bad line, stays as it is.
-- KEYS  1 leader  2 batches  3… the doorbell of each batch, then job and trace of each job that is traced, then the keys of RQ's commands
-- ARGV  1 token  2 how many batches  3… each batch: id, record, how many commands of RQ's, and each of these as the number of its words and
--       the words; then the traces
-- Returns 1, or 0 where another scheduler leads
-- O(batches + entries)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local batches, at = tonumber(ARGV[2]), 3
for i = 1, batches do
  local is_new = redis.call('HSETNX', KEYS[2], ARGV[at], ARGV[at + 1]) == 1
  local commands = tonumber(ARGV[at + 2])
  at = at + 3
  for _ = 1, commands do
    local last = at + tonumber(ARGV[at])
    if is_new then redis.call(unpack(ARGV, at + 1, last)) end
    at = last + 1
  end
  if is_new then
    redis.call('LPUSH', KEYS[2 + i], '1')
    redis.call('LTRIM', KEYS[2 + i], 0, 63)
  end
end
append_traces(3 + batches, at)
return 1
