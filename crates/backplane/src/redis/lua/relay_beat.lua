-- KEYS: relays' leases, their descriptions. ARGV: id, ttl, description, whether to tell of it, most relays, channel.
local now = now_ms()
-- A few at a time: nobody lists those whose lease is over.
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', number(now), 'LIMIT', 0, 16)) do
  redis.call('ZREM', KEYS[1], gone)
  redis.call('HDEL', KEYS[2], gone)
end
local is_known = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not is_known and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[5]) then return 0 end
redis.call('ZADD', KEYS[1], number(now + tonumber(ARGV[2])), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
if not is_known or ARGV[4] == '1' then redis.call('SPUBLISH', ARGV[6], '\2R') end
return 1
