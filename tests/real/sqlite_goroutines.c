/* SPDX-License-Identifier: MIT */
/*
 * Eight goroutines with a connection each: to a file of its own ("files"), or all to the file that
 * is named. There they wait for each other in SQLite's busy handler, which here lets other
 * goroutines run instead of putting the thread to sleep.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rt/rt.h>
#include <sqlite3.h>

#define CONNECTIONS 8
#define ROWS 12500 /* times 8: 100,000 */
#define BATCH 500

static void
must(sqlite3 *db, int result, const char *what)
{
	if (result == SQLITE_OK || result == SQLITE_DONE || result == SQLITE_ROW)
		return;
	fprintf(stderr, "goroutine %lu: %s: %s\n", (unsigned long)rt_goid(), what,
		db ? sqlite3_errmsg(db) : "no connection");
	exit(EXIT_FAILURE);
}

static void
execute(sqlite3 *db, const char *sql)
{
	must(db, sqlite3_exec(db, sql, NULL, NULL, NULL), sql);
}

static int
on_busy(void *unused, int times)
{
	(void)unused, (void)times;
	rt_gosched();
	return 1;
}

static sqlite3 *
open_database(const char *path)
{
	sqlite3 *db;

	must(NULL, sqlite3_open(path, &db), path);
	if (rt_gomaxprocs(0) > CONNECTIONS / 2)
		sqlite3_busy_timeout(db, 60000); /* sleeps, with its P */
	else
		sqlite3_busy_handler(db, on_busy, NULL);
	execute(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
	execute(db,
		"CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, who, name TEXT);"
		"CREATE INDEX IF NOT EXISTS t_name ON t (name)");
	return db;
}

static void
fill(sqlite3 *db, int who)
{
	sqlite3_stmt *insert;
	char name[32];

	must(db,
	     sqlite3_prepare_v2(db, "INSERT INTO t (who, name) VALUES (?, ?)", -1, &insert, NULL),
	     "prepare");
	for (int i = 0; i < ROWS; i++) {
		if (i % BATCH == 0)
			execute(db, "BEGIN IMMEDIATE");
		snprintf(name, sizeof name, "%d/%d", who, i * 7919 % 12503);
		sqlite3_bind_int(insert, 1, who);
		sqlite3_bind_text(insert, 2, name, -1, SQLITE_TRANSIENT);
		must(db, sqlite3_step(insert), "insert");
		sqlite3_reset(insert);
		if (i % 50 == 0)
			rt_gosched(); /* in the middle of a transaction */
		if (i % BATCH == BATCH - 1)
			execute(db, "COMMIT");
	}
	sqlite3_finalize(insert);
}

/* The first column of the first row. */
static void
expect(sqlite3 *db, const char *sql, const char *wanted)
{
	sqlite3_stmt *s;

	must(db, sqlite3_prepare_v2(db, sql, -1, &s, NULL), sql);
	must(db, sqlite3_step(s), sql);
	const char *got = (const char *)sqlite3_column_text(s, 0);
	if (!got || strcmp(got, wanted) != 0) {
		fprintf(stderr, "goroutine %lu: %s: %s, not %s\n", (unsigned long)rt_goid(), sql,
			got ? got : "NULL", wanted);
		exit(EXIT_FAILURE);
	}
	sqlite3_finalize(s);
}

static void
work(const char *path, int who, rt_wg *wg)
{
	char own[32], sql[96];

	snprintf(own, sizeof own, "own-%d.db", who);
	sqlite3 *db = open_database(path ? path : own);
	fill(db, who);
	snprintf(sql, sizeof sql, "SELECT count(*) FROM t WHERE who = %d", who);
	expect(db, sql, "12500");
	snprintf(sql, sizeof sql,
		 "SELECT count(DISTINCT name) FROM t WHERE name >= '%d/'"
		 " AND name < '%d0'",
		 who, who);
	expect(db, sql, "12500");
	if (!path)
		execute(db, "VACUUM");
	expect(db, "PRAGMA integrity_check", "ok");
	must(db, sqlite3_close(db), "close");
	rt_wg_done(wg);
}

int
main(int argc, char **argv)
{
	rt_wg wg = RT_WG_INIT;
	const char *shared = argc > 1 && strcmp(argv[1], "files") != 0 ? argv[1] : NULL;
	/* One changes the journal's mode, before others are there: SQLite calls no busy handler for
	 * that, and answers whoever comes second that the database is locked. */
	sqlite3 *db = shared ? open_database(shared) : NULL;

	rt_wg_add(&wg, CONNECTIONS);
	for (int i = 0; i < CONNECTIONS; i++)
		rt_go(work, shared, i, &wg);
	rt_wg_wait(&wg);
	if (db) {
		expect(db, "SELECT count(*) FROM t", "100000");
		execute(db, "VACUUM");
		expect(db, "PRAGMA integrity_check", "ok");
		must(db, sqlite3_close(db), "close");
	}
	puts("ok");
	return 0;
}
