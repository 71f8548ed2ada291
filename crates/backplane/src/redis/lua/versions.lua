-- KEYS: life, the rosters.
local life = life_at(KEYS[1])
local versions = {}
for i = 2, #KEYS do
  local version = redis.call('HMGET', KEYS[i], '#b', '#v')
  local lives = version[1] and version[2]
  versions[#versions + 1] = lives and number(epoch_of(version[1], life)) or '0'
  versions[#versions + 1] = lives and version[2] or '0'
end
return versions
