-- KEYS: relays' leases, their descriptions. ARGV: id, channel.
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('SPUBLISH', ARGV[2], '\2R')
end
return 1
