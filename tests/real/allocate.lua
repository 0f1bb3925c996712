-- SPDX-License-Identifier: MIT
-- allocate.lua DEPTH: trees, strings, tables that grow, closures; prints what came of each. Of
-- malloc's work there is little else: collections run all the time.
local depth = tonumber(arg[1])
local work = 1 << (depth - 8)
collectgarbage("generational")

local function tree(n) return n > 0 and {tree(n - 1), tree(n - 1)} or {} end
local function nodes(t) return t[1] and 1 + nodes(t[1]) + nodes(t[2]) or 1 end
local long_lived, sum = tree(depth), 0
for d = 4, depth, 2 do
	for _ = 1, 1 << (depth - d + 4) do sum = sum + nodes(tree(d)) end
end
print("trees", sum, nodes(long_lived))

local seed, kept, bytes = 42, {}, 0
local function draw(n)
	seed = (seed * 1103515245 + 12345) % 2147483648
	return (seed >> 16) % n + 1
end
for i = 1, 20000 * work do
	local s = string.rep(string.char(96 + draw(26)), draw(draw(100) == 1 and 20000 or 120)) .. i
	kept[draw(5000)] = s
	bytes = bytes + #s
end
local hash = 0
for _, s in pairs(kept) do hash = (hash + #s * s:byte(1)) % 1000003 end
print("strings", bytes, hash)

local total = 0
for _ = 1, 40 * work do
	local t = {}
	for i = 1, draw(4000) do t[i] = {i, x = i} end
	for i = 1, #t, 3 do t[i] = nil end
	for _, v in pairs(t) do total = total + v.x end
end
print("tables", total)

local calls = {}
for i = 1, 50000 * work do
	local n = i
	calls[draw(3000)] = function() n = n + 1; return n end
end
local last = 0
for _, f in pairs(calls) do last = (last + f() + f()) % 1000003 end
print("closures", last)
