-- SPDX-License-Identifier: MIT
-- Creates, fills, indexes, queries and vacuums 100,000 rows. Ends with "ok".
PRAGMA journal_mode = WAL;
CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL, value REAL, data BLOB);
BEGIN;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
INSERT INTO t SELECT i, 'name ' || (i * 7919 % 100003), i / 7.0, randomblob(20) FROM n;
COMMIT;
CREATE INDEX t_name ON t (name);
CREATE INDEX t_value ON t (value DESC);
CREATE TABLE result (what TEXT, good INTEGER);
INSERT INTO result SELECT 'count', count(*) = 100000 FROM t;
INSERT INTO result SELECT 'sum', sum(id) = 5000050000 FROM t;
INSERT INTO result SELECT 'lookup', count(*) = 1 FROM t WHERE name = 'name 7919' AND id = 1;
INSERT INTO result SELECT 'range', count(*) = 7000 FROM t WHERE value > 1000 AND value <= 2000;
INSERT INTO result SELECT 'join', count(*) = 100000 FROM t a JOIN t b ON a.name = b.name;
INSERT INTO result SELECT 'window', max(r) = 100000
	FROM (SELECT row_number() OVER (ORDER BY name, id) r FROM t);
UPDATE t SET name = upper(name) WHERE id % 3 = 0;
DELETE FROM t WHERE id % 10 = 0;
INSERT INTO result SELECT 'deleted', count(*) = 90000 FROM t;
CREATE VIRTUAL TABLE words USING fts5 (text);
INSERT INTO words SELECT name FROM t WHERE id <= 1000;
INSERT INTO result SELECT 'full text', count(*) = 1 FROM words WHERE text MATCH '7919';
PRAGMA wal_checkpoint(TRUNCATE);
PRAGMA journal_mode = DELETE;
VACUUM;
ANALYZE;
INSERT INTO result SELECT 'integrity', integrity_check = 'ok' FROM pragma_integrity_check;
SELECT 'wrong: ' || what FROM result WHERE NOT good;
SELECT CASE WHEN min(good) = 1 AND count(*) = 9 THEN 'ok' ELSE 'failed' END FROM result;
