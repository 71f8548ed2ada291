-- KEYS: kicks, by the last second in which they hold; their version. ARGV: user, seconds, most kicks, channel.
local now = math.floor(now_ms() / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. number(now))
redis.call('ZADD', KEYS[1], 'GT', number(now + tonumber(ARGV[2])), ARGV[1])
local last = redis.call('ZSCORE', KEYS[1], ARGV[1])
local version = redis.call('INCR', KEYS[2])
redis.call('SPUBLISH', ARGV[4], '\2K' .. number(version) .. ' ' .. number(tonumber(last)) .. ':' .. ARGV[1])
-- Those that end first make room.
local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[3])
if over > 0 then redis.call('ZREMRANGEBYRANK', KEYS[1], 0, over - 1) end
return 1
