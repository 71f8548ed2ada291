-- KEYS: kicks, their version. ARGV: most kicks.
local now = math.floor(now_ms() / 1000)
local held = redis.call('ZRANGEBYSCORE', KEYS[1], number(now), '+inf', 'WITHSCORES', 'LIMIT', 0, tonumber(ARGV[1]))
return { tonumber(redis.call('GET', KEYS[2]) or 0), held }
