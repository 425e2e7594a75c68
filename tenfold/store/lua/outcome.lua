-- A job as it stands and the results of some of its images, of one moment.
-- KEYS  1 job  2 results
-- ARGV  1 how many fields of the job  2… those fields, then the images' indexes
-- Returns {the fields, the results}, false for each that is not there
-- O(fields + images)
local fields = tonumber(ARGV[1])
return {
  redis.call('HMGET', KEYS[1], unpack(ARGV, 2, fields + 1)),
  redis.call('HMGET', KEYS[2], unpack(ARGV, fields + 2)),
}
