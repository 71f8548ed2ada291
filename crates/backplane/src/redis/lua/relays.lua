-- KEYS: relays' leases, their descriptions, the kicks' version. ARGV: most relays.
local alive = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. number(now_ms()), '+inf', 'LIMIT', 0, tonumber(ARGV[1]))
local told = {}
if #alive > 0 then told = redis.call('HMGET', KEYS[2], unpack(alive)) end
return { tonumber(redis.call('GET', KEYS[3]) or 0), told }
