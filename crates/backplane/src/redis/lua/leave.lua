-- KEYS: links, life, the roster. ARGV: node, link, member, fence, data, the room's channel.
if overtaken(KEYS[1], ARGV[1], ARGV[2]) then return 0 end
local claim = redis.call('HGET', KEYS[3], '@' .. ARGV[3])
if claim then
  local fence, node = unpack_claim(claim)
  if node == ARGV[1] and fence <= tonumber(ARGV[4]) then
    leave(KEYS[3], ARGV[6], life_at(KEYS[2]), ARGV[3], fence, node, ARGV[5])
  end
end
return 1
