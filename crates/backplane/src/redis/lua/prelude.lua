-- What the scripts share; put before each of them. `redis/keys.rs` names the keys.
--
-- A roster is a hash: `#b` its birth, `#v` its version, and `@<member>` for each member, as
-- `<fence> <bytes in node>:<node><data>`. Members, nodes and data may hold any bytes; numbers are written with
-- '%.0f', since all of them fit a double and no other format keeps 53 bits.

local function number(n) return string.format('%.0f', n) end

local function now_us()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function now_ms() return math.floor(now_us() / 1000) end

local function alive(leases, node)
  local expiry = tonumber(redis.call('ZSCORE', leases, node) or 0)
  return expiry > now_ms()
end

-- Whether a node has a later link than this one: what comes on an older one was given up by the node.
local function overtaken(links, node, link)
  return tonumber(redis.call('HGET', links, node) or 0) > tonumber(link)
end

-- Whether what is asked until a time, in milliseconds, comes too late.
local function late(time) return now_ms() > tonumber(time) end

-- The store's life, which is part of every epoch, and when it began, in microseconds: `<life> <began>`.
local function life_at(key)
  local life, began = string.match(redis.call('GET', key) or '', '^(%d+) (%d+)$')
  return tonumber(life or 0), tonumber(began or 0)
end

local function epoch_of(birth, life) return tonumber(birth) * 2097152 + life end

local function pack(fence, node, data) return number(fence) .. ' ' .. #node .. ':' .. node .. data end

local function unpack_claim(claim)
  local fence, length, start = string.match(claim, '^(%d+) (%d+):()')
  length = tonumber(length)
  return tonumber(fence), string.sub(claim, start, start + length - 1), string.sub(claim, start + length)
end

-- The owner that a member's data names: a byte with its length, and the owner. Empty where the data is too short for it.
local function owner(data)
  local length = string.byte(data, 1) or 0
  if length >= #data then return '' end
  return string.sub(data, 2, length + 1)
end

-- Whether a member that the roster holds with the first data is kept from who comes with the second.
local function guarded(known, data)
  local guard = owner(known)
  return guard ~= '' and guard ~= owner(data)
end

-- A change goes out as \2J or \2L, the numbers, and the three strings with their lengths before them.
local function tell(channel, kind, epoch, version, fence, member, node, data)
  redis.call('SPUBLISH', channel, '\2' .. kind .. number(epoch) .. ' ' .. number(version) .. ' ' .. number(fence)
    .. ' ' .. #member .. ' ' .. #node .. ':' .. member .. node .. data)
end

-- Enters a member; returns the roster's epoch and version with it.
local function enter(room, channel, life, birth, member, fence, node, data)
  local born = redis.call('HGET', room, '#b')
  if not born then
    born = birth
    redis.call('HSET', room, '#b', birth)
  end
  local epoch = epoch_of(born, life)
  local version = redis.call('HINCRBY', room, '#v', 1)
  redis.call('HSET', room, '@' .. member, pack(fence, node, data))
  tell(channel, 'J', epoch, version, fence, member, node, data)
  return epoch, version
end

-- Takes a member out, and the roster with the last one.
local function leave(room, channel, life, member, fence, node, data)
  local version = redis.call('HINCRBY', room, '#v', 1)
  local epoch = epoch_of(redis.call('HGET', room, '#b') or 0, life)
  redis.call('HDEL', room, '@' .. member)
  tell(channel, 'L', epoch, version, fence, member, node, data)
  if redis.call('HLEN', room) <= 2 then redis.call('DEL', room) end
end

-- The members that a node holds, from what HGETALL gave, in the order of their names.
local function held_by(fields, node)
  local members, claims = {}, {}
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 1) == '@' then
      local fence, holder, data = unpack_claim(fields[i + 1])
      if holder == node then
        local member = string.sub(fields[i], 2)
        members[#members + 1] = member
        claims[member] = { fence = fence, data = data }
      end
    end
  end
  table.sort(members)
  return members, claims
end
