-- KEYS: links, the node's rooms. ARGV: node, link, room.
if overtaken(KEYS[1], ARGV[1], ARGV[2]) then return 0 end
return redis.call('SREM', KEYS[2], ARGV[3])
