-- KEYS: leases, links, life, the node's rooms, the roster. ARGV: node, link, room, member, data, birth, floor, whether
-- the roster is wanted, the room's channel, until when. Returns 0 without a lease, 2 where the name is another owner's.
if not alive(KEYS[1], ARGV[1]) or overtaken(KEYS[2], ARGV[1], ARGV[2]) or late(ARGV[10]) then return { 0 } end
local fence = math.max(now_us(), tonumber(ARGV[7]) + 1)
local claim = redis.call('HGET', KEYS[5], '@' .. ARGV[4])
if claim then
  local stored, _, known = unpack_claim(claim)
  if guarded(known, ARGV[5]) then return { 2 } end
  fence = math.max(fence, stored + 1)
end
local epoch, version =
  enter(KEYS[5], ARGV[9], life_at(KEYS[3]), ARGV[6], ARGV[4], fence, ARGV[1], ARGV[5])
redis.call('SADD', KEYS[4], ARGV[3])
local roster = false
if ARGV[8] == '1' then roster = redis.call('HGETALL', KEYS[5]) end
return { 1, number(fence), number(epoch), number(version), roster }
