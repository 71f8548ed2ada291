-- KEYS: leases, life, the node's rooms, the roster. ARGV: node, room, member, data, birth, floor, whether the roster
-- is wanted, the room's channel.
if not alive(KEYS[1], ARGV[1]) then return { 0 } end
local fence = math.max(now_us(), tonumber(ARGV[6]) + 1)
local claim = redis.call('HGET', KEYS[4], '@' .. ARGV[3])
if claim then fence = math.max(fence, unpack_claim(claim) + 1) end
local epoch, version =
  enter(KEYS[4], ARGV[8], life_at(KEYS[2]), ARGV[5], ARGV[3], fence, ARGV[1], ARGV[4])
redis.call('SADD', KEYS[3], ARGV[2])
local roster = false
if ARGV[7] == '1' then roster = redis.call('HGETALL', KEYS[4]) end
return { 1, number(fence), number(epoch), number(version), roster }
