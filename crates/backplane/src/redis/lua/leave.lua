-- KEYS: life, the roster. ARGV: node, member, fence, data, the room's channel.
local claim = redis.call('HGET', KEYS[2], '@' .. ARGV[2])
if claim then
  local fence, node = unpack_claim(claim)
  if node == ARGV[1] and fence <= tonumber(ARGV[3]) then
    leave(KEYS[2], ARGV[5], life_at(KEYS[1]), ARGV[2], fence, node, ARGV[4])
  end
end
return 1
