-- @include _upload
-- Stores what arrived of an upload since its last step, unless it was swept meanwhile: a gateway that was frozen leaves nothing behind.
-- KEYS  1 upload  2 uploads  3 items  4 queued  5 open jobs  6… the image of each piece, in the order of the pieces
-- ARGV  1 job id  2 client  3 '1' in the first step, '' after  4 images begun so far  5 until when it lives, ms  6 the open job that it is
--       for, whose time it lengthens, or ''  7 now, ms  8 number of pieces  9… (offset, bytes) of each piece, then what is known of every image, in the
--       last step
-- Returns {items, bytes, items of the client, bytes of the client}, what is queued | false where it was swept
-- O(bytes)
if ARGV[3] == '' and not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return false end
redis.call('HSET', KEYS[1], 'client', ARGV[2], 'images', ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[5], ARGV[1])
if ARGV[6] ~= '' then redis.call('ZADD', KEYS[5], 'XX', 'GT', ARGV[7], ARGV[6]) end
note_images(KEYS[3], store_pieces(6, 9, tonumber(ARGV[8])), #ARGV)
return redis.call('HMGET', KEYS[4], 'items', 'bytes', 'items:' .. ARGV[2], 'bytes:' .. ARGV[2])
