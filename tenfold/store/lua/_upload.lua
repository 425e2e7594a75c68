-- Included by the verbs that store what arrives of an upload.
-- store_pieces: writes pieces into their images, by offset. KEYS from `key` on: the image of each; ARGV from `at` on: (offset, bytes) of each.
-- Returns the place behind them. O(bytes).
local function store_pieces(key, at, count)
  for i = 0, count - 1 do redis.call('SETRANGE', KEYS[key + i], ARGV[at + 2 * i], ARGV[at + 2 * i + 1]) end
  return at + 2 * count
end

-- note_images: what is known of every image, ARGV from `from` to `to`, in place of what was known. O(images).
local function note_images(items, from, to)
  if to < from then return end
  redis.call('DEL', items)
  for i = from, to do redis.call('RPUSH', items, ARGV[i]) end
end

