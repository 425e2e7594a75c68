-- Drops kept images and takes their bytes off the count, each once: what is sent twice over a bad line is counted once.
-- KEYS  1 kept  2 totals  3 blob prefix
-- ARGV  1… members of `kept`, 'job:index:bytes'
-- Returns how many there were
-- O(images · log kept)
local dropped, bytes = 0, 0
for _, member in ipairs(ARGV) do
  if redis.call('ZREM', KEYS[1], member) == 1 then
    local image, size = string.match(member, '^(.*):(%d+)$')
    redis.call('UNLINK', KEYS[3] .. image)
    dropped, bytes = dropped + 1, bytes + tonumber(size)
  end
end
if bytes > 0 then redis.call('HINCRBY', KEYS[2], 'kept_bytes', -bytes) end
return dropped
