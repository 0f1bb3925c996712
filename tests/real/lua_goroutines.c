/* SPDX-License-Identifier: MIT */
/* Eight Lua states, each on its own goroutine, run the same script at the same time. It calls
 * `breathe` all over the place, in callbacks and coroutines too, where they change places. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <rt/rt.h>

#define STATES 8

static int failures;

static int
breathe(lua_State *lua)
{
	(void)lua;
	rt_gosched();
	return 0;
}

static bool locked;

static int
lock(lua_State *lua)
{
	while (__atomic_test_and_set(&locked, __ATOMIC_ACQUIRE))
		breathe(lua);
	return 0;
}

static int
unlock(lua_State *lua)
{
	(void)lua;
	__atomic_clear(&locked, __ATOMIC_RELEASE);
	return 0;
}

static void
run(const char *script, rt_wg *wg)
{
	lua_State *lua = luaL_newstate();

	luaL_openlibs(lua);
	lua_register(lua, "breathe", breathe);
	lua_register(lua, "lock", lock);
	lua_register(lua, "unlock", unlock);
	if (luaL_dofile(lua, script) != LUA_OK) {
		fprintf(stderr, "goroutine %lu: %s\n", (unsigned long)rt_goid(),
			lua_tostring(lua, -1));
		__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
	}
	lua_close(lua);
	rt_wg_done(wg);
}

int
main(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	if (argc != 2)
		return 64;
	rt_wg_add(&wg, STATES);
	for (int i = 0; i < STATES; i++)
		rt_go(run, argv[1], &wg);
	rt_wg_wait(&wg);
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
