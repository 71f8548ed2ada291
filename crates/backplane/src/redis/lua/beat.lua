-- KEYS: leases, life, links. ARGV: node, link, ttl, nonce, life, the node's channel, until when.
local now = now_ms()
if overtaken(KEYS[3], ARGV[1], ARGV[2]) then return { 0, {}, -1, number(now) } end
local expiry = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
if late(ARGV[7]) then return { expiry > now and 1 or 0, {}, -1, number(now) } end
redis.call('ZADD', KEYS[1], number(now + tonumber(ARGV[3])), ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
local life, began = life_at(KEYS[2])
if began == 0 or life ~= tonumber(ARGV[5]) then redis.call('SET', KEYS[2], ARGV[5] .. ' ' .. number(now_us())) end
redis.call('SPUBLISH', ARGV[6], '\2B' .. ARGV[4])
-- A few at a time: whoever is swept makes room for the next.
local lapsed = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', number(now), 'LIMIT', 0, 16)
-- When the next lease of another node ends, in milliseconds from now.
local next_in = -1
local after = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. number(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 2)
for i = 1, #after, 2 do
  if next_in < 0 and after[i] ~= ARGV[1] then next_in = tonumber(after[i + 1]) - now end
end
return { expiry > now and 1 or 0, lapsed, next_in, number(now) }
