/* SPDX-License-Identifier: MIT */
/* Programs whose outcome depends on the order of goroutines: for RTDEBUG=schedseed. */
#include "guest.h"

static char text[4096];
static size_t used;

static void
note(char c)
{
	CHECK(used < sizeof text - 1);
	text[used++] = c;
}

static void
letters(char name, int times, rt_wg *wg)
{
	for (int i = 0; i < times; i++) {
		note(name);
		rt_gosched();
	}
	rt_wg_done(wg);
}

static int
print_log(void)
{
	puts(text);
	return 0;
}

/* N goroutines note their names, M times each. */
static int
order(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	CHECK(argc == 2);
	rt_wg_add(&wg, atoi(argv[0]));
	for (int i = 0; i < atoi(argv[0]); i++)
		rt_go(letters, (char)('a' + i), atoi(argv[1]), &wg);
	rt_wg_wait(&wg);
	return print_log();
}

/* The same for goroutines that wait for each other, in an order that somebody else has. */
static void
wait_then_note(char name, rt_wg *gate, rt_wg *wg)
{
	rt_wg_wait(gate);
	note(name);
	rt_wg_done(wg);
}

static int
wakeups(int argc, char **argv)
{
	rt_wg gate = RT_WG_INIT, wg = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&gate, 1);
	rt_wg_add(&wg, 8);
	for (int i = 0; i < 8; i++)
		rt_go(wait_then_note, (char)('a' + i), &gate, &wg);
	rt_wg_done(&gate);
	rt_wg_wait(&wg);
	return print_log();
}

/* More than a local queue holds. */
static int
many(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&wg, 600);
	for (int i = 0; i < 600; i++)
		rt_go(letters, (char)('a' + i % 26), 1, &wg);
	rt_wg_wait(&wg);
	return print_log();
}

/* Whether main goes on before the goroutine that it has started. */
static int
spawn(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&wg, 1);
	rt_go(letters, 'g', 1, &wg);
	note('m');
	rt_wg_wait(&wg);
	return print_log();
}

/* ---- a bug: looks, lets others run, and acts on what it saw. In Go's order nobody notices. ----
 */

static int seats = 3, sold;

static void
look_up_price(void)
{
	rt_gosched();
}

static void
buy(int delay, rt_wg *wg)
{
	for (int i = 0; i < delay; i++)
		rt_gosched();
	if (sold < seats) {
		look_up_price();
		sold++;
	}
	rt_wg_done(wg);
}

/* Each comes when the one before has bought, if everybody has his turn. */
static int
oversell(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;

	(void)argc, (void)argv;
	rt_wg_add(&wg, 4);
	for (int i = 0; i < 4; i++)
		rt_go(buy, 4 * i, &wg);
	rt_wg_wait(&wg);
	CHECK(sold <= seats);
	return ok();
}

static const struct guest_case cases[] = {
	{"order", order}, {"wakeups", wakeups},   {"many", many},
	{"spawn", spawn}, {"oversell", oversell},
};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}
