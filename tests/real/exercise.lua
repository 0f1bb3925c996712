-- SPDX-License-Identifier: MIT
-- Strings, closures, coroutines, tables, errors, io and os. Ends with "ok".
-- lua_goroutines.c defines breathe, which lets other goroutines run, and lock and unlock; without
-- it they do nothing.
local breathe = breathe or function() end
local lock, unlock = lock or breathe, unlock or breathe

-- strings
assert(("%5.2f|%-6s|%06d|%q"):format(3.14159, "ab", 42, "a\nb") == ' 3.14|ab    |000042|"a\\\nb"')
assert(("hello world"):gsub("o", "0") == "hell0 w0rld")
assert(("key = value"):match("^(%w+)%s*=%s*(%w+)$") == "key")
assert(#("x"):rep(1000, ",") == 1999)
assert(utf8.char(228, 8364) == "ä€" and utf8.len("ä€") == 2)
assert(string.unpack("<i4", string.pack("<i4", -5)) == -5)
assert(tonumber("0x1p4") == 16.0 and 7 // 2 == 3 and 2 ^ 10 == 1024.0 and 1 << 62 > 0)

-- closures
local function counter()
	local n = 0
	return function() n = n + 1; return n end
end
local a, b = counter(), counter()
assert(a() == 1 and a() == 2 and b() == 1)

-- coroutines
local function permutations(list, n)
	n = n or #list
	if n <= 1 then return coroutine.yield(list) end
	for i = 1, n do
		list[n], list[i] = list[i], list[n]
		permutations(list, n - 1)
		list[n], list[i] = list[i], list[n]
	end
end
local count = 0
for p in coroutine.wrap(function() permutations({1, 2, 3, 4, 5, 6, 7}) end) do
	count = count + #p
	breathe()
end
assert(count == 7 * 5040)

-- tables and the collector
local t = {}
for i = 1, 20000 do t[i] = {key = (i * 7919) % 20011, text = "row " .. i} end
table.sort(t, function(x, y)
	breathe()
	return x.key < y.key
end)
for i = 2, #t do
	assert(t[i - 1].key <= t[i].key)
	if i % 100 == 0 then breathe() end
end
t = nil
collectgarbage()

-- errors: longjmp, also through pcall in a coroutine
local ok, message = pcall(function() error({code = 7}) end)
assert(not ok and message.code == 7)
ok, message = coroutine.resume(coroutine.create(function()
	local fine = pcall(error, "inner")
	breathe()
	assert(not fine)
	error("outer", 0)
end))
assert(not ok and message == "outer")
local function endless(n) return 1 + endless(n + 1) end
ok, message = pcall(endless, 1)
assert(not ok and message:find("stack overflow"))
assert(not pcall(load, function() error("x") end) or true)

-- io
local name = os.tmpname()
local f = assert(io.open(name, "w"))
for i = 1, 1000 do
	f:write("line ", i, "\n")
	breathe()
end
assert(f:close())
local sum = 0
for line in io.lines(name) do
	sum = sum + tonumber(line:match("%d+"))
	breathe()
end
assert(sum == 500500)
f = assert(io.open(name, "r+"))
assert(f:seek("end") > 0 and f:seek("set", 5) == 5 and f:read("n") == 1)
f:setvbuf("full", 4096)
f:close()
assert(io.open("/no/such/file") == nil)
assert(select(3, io.open("/no/such/file")) == 2)

-- os
assert(os.rename(name, name .. ".new") and os.remove(name .. ".new"))
assert(os.remove(name) == nil)
assert(os.getenv("PATH") and os.getenv("NO_SUCH_VARIABLE") == nil)
assert(os.clock() >= 0 and os.time() > 1600000000)
assert(os.date("!%Y-%m-%d", 86400) == "1970-01-02")
assert(os.time({year = 2001, month = 9, day = 9, hour = 12}))
assert(os.setlocale("C"))

-- other processes; one popen at a time, since musl's popen and pclose race on any threads: the
-- child closes pipes that another pclose has closed already, whatever has got their number since
lock()
local p = assert(io.popen("echo from a child; exit 3"))
assert(p:read("a") == "from a child\n")
local _, how, status = p:close()
assert(how == "exit" and status == 3)
p = assert(io.popen("cat > " .. name, "w"))
p:write("to a child")
assert(p:close())
f = assert(io.open(name))
assert(f:read("a") == "to a child")
f:close()
os.remove(name)
unlock()
_, how, status = os.execute("exit 5")
assert(how == "exit" and status == 5)
_, how, status = os.execute("kill -9 $$")
assert(how == "signal" and status == 9)
assert(os.execute())

print("ok")
