-- KEYS: leases. ARGV: nodes.
local valid = {}
for i, node in ipairs(ARGV) do valid[i] = alive(KEYS[1], node) and 1 or 0 end
return valid
