-- KEYS: leases, links, life, the dead node's rooms. ARGV: node, rooms at most, members at most, what precedes a room
-- in its roster's key, and in its channel. The rosters' keys are known only here; they share the partition's slot.
if alive(KEYS[1], ARGV[1]) then return 0 end
local life = life_at(KEYS[3])
local budget = tonumber(ARGV[3])
for _, room in ipairs(redis.call('SRANDMEMBER', KEYS[4], ARGV[2])) do
  local roster, channel = ARGV[4] .. room, ARGV[5] .. room
  local fields = redis.call('HGETALL', roster)
  local members, claims = held_by(fields, ARGV[1])
  for _, member in ipairs(members) do
    -- The room is still the node's: the next call goes on in it.
    if budget <= 0 then return redis.call('SCARD', KEYS[4]) end
    budget = budget - 1
    leave(roster, channel, life, member, claims[member].fence, ARGV[1], '')
  end
  redis.call('SREM', KEYS[4], room)
  -- Reading a large roster is work too.
  budget = budget - math.floor(#fields / 32)
  if budget <= 0 then break end
end
local left = redis.call('SCARD', KEYS[4])
if left == 0 then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
end
return left
