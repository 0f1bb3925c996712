-- SPDX-License-Identifier: MIT
-- For EVAL: 8,000 keys of all types, of which some are replaced and some go.
local state = 42
local function draw(n)
	state = (state * 1103515245 + 12345) % 2147483648
	return math.floor(state / 65536) % n
end
local function text()
	return string.rep(string.char(97 + draw(26)), 1 + draw(draw(50) == 0 and 20000 or 100))
end

for _ = 1, 10000 do
	local key, kind = 'key:' .. draw(8000), draw(6)
	if draw(4) == 0 then redis.call('DEL', key) end
	local has = redis.call('TYPE', key).ok
	if kind == 0 then
		redis.call('SET', key, text())
	elseif kind == 1 and (has == 'none' or has == 'list') then
		for _ = 1, draw(30) do redis.call('RPUSH', key, text()) end
	elseif kind == 2 and (has == 'none' or has == 'hash') then
		for _ = 1, draw(30) do redis.call('HSET', key, 'f' .. draw(100), text()) end
	elseif kind == 3 and (has == 'none' or has == 'zset') then
		for _ = 1, draw(30) do redis.call('ZADD', key, draw(1000), text()) end
	elseif kind == 4 and (has == 'none' or has == 'set') then
		for _ = 1, draw(30) do redis.call('SADD', key, draw(100000)) end
	elseif has == 'string' then
		redis.call('APPEND', key, text())
	end
end
return 'ok'
