-- KEYS: leases, life. ARGV: node, ttl, nonce, life, the node's channel.
local now = now_ms()
local expiry = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
redis.call('ZADD', KEYS[1], number(now + tonumber(ARGV[2])), ARGV[1])
redis.call('SET', KEYS[2], ARGV[4])
redis.call('SPUBLISH', ARGV[5], '\2B' .. ARGV[3])
-- A few at a time: whoever is swept makes room for the next.
local lapsed = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', number(now), 'LIMIT', 0, 16)
return { expiry > now and 1 or 0, lapsed }
