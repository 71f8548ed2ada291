-- KEYS: leases, links, life, the node's rooms, the roster. ARGV: node, link, room, birth, floor, the room's channel,
-- until when, and for each member its name, fence and data.
if not alive(KEYS[1], ARGV[1]) or overtaken(KEYS[2], ARGV[1], ARGV[2]) or late(ARGV[7]) then return { 0 } end
local life, began = life_at(KEYS[3])
local listed = {}
for i = 8, #ARGV, 3 do listed[ARGV[i]] = true end

local members, claims = held_by(redis.call('HGETALL', KEYS[5]), ARGV[1])
for _, member in ipairs(members) do
  if not listed[member] then leave(KEYS[5], ARGV[6], life, member, claims[member].fence, ARGV[1], '') end
end

for i = 8, #ARGV, 3 do
  local member, claimed, data = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]
  local fence
  local claim = redis.call('HGET', KEYS[5], '@' .. member)
  if claim then
    local stored, node, known = unpack_claim(claim)
    local is_anothers = guarded(known, data)
    -- What the roster had before it was lost is the owner's still, whoever has come since.
    local is_lost = claimed > 1 and claimed < began and stored >= began
    local stays
    if node == ARGV[1] then
      -- Whoever came again unseen has a later claim, of which the others must hear.
      stays = known == data and claimed ~= 0 and claimed <= stored
    elseif claimed == 0 then
      stays = is_anothers
    else
      stays = stored > claimed and not (is_anothers and is_lost and owner(data) ~= '')
    end
    if claimed ~= 0 and stored < claimed and (node ~= ARGV[1] or known == data) then
      fence = claimed
    elseif not stays then
      fence = math.max(now_us(), tonumber(ARGV[5]) + 1, stored + 1)
    end
  elseif claimed ~= 0 then
    fence = claimed
  else
    fence = math.max(now_us(), tonumber(ARGV[5]) + 1)
  end
  if fence then enter(KEYS[5], ARGV[6], life, ARGV[4], member, fence, ARGV[1], data) end
end

if #ARGV > 7 then redis.call('SADD', KEYS[4], ARGV[3]) end
local roster = redis.call('HGETALL', KEYS[5])
if #roster == 0 then return { 1, '0', '0', roster } end
local version = redis.call('HMGET', KEYS[5], '#b', '#v')
return { 1, number(epoch_of(version[1], life)), version[2], roster }
