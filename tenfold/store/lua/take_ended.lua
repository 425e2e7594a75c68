-- @include _clock
-- Takes the jobs that became final since the last call, by whichever scheduler: each job is taken once, since looking and noting how far is one step.
-- KEYS  1 finished  2 told
-- ARGV  1 now or ''  2 how old an end must be, ms  3 how much of the past one call takes, ms  4 lifetime of the note, s
-- Returns the ids; none at the first call, which begins with what ends from now on
-- O(log jobs + those taken)
local upto = now_ms(ARGV[1]) - tonumber(ARGV[2])
local since = tonumber(redis.call('GET', KEYS[2]) or upto)
-- A clock that was set back takes nothing twice.
if upto < since then return {} end
upto = math.min(upto, since + tonumber(ARGV[3]))
redis.call('SET', KEYS[2], int(upto), 'EX', ARGV[4])
local ids = {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. int(since), int(upto))) do
  ids[#ids + 1] = string.match(member, '^(%S+)')
end
return ids
