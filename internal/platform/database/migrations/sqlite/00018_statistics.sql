-- +goose Up
-- Without statistics SQLite takes an Environment for ten rows, and reads all of it rather
-- than look up twenty ids. These are of one with 100,000 nodes and people: told once, so
-- that plans are the same on every machine.
ANALYZE sqlite_schema;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
	('app_membership', 'app_membership_created', '100000 100000 100000 1 1 1 1'),
	('app_membership', 'app_membership_email', '100000 100000 100000 1 1 1 1'),
	('app_membership', 'app_membership_identity', '100000 1 1'),
	('app_membership', 'app_membership_name', '100000 100000 100000 2 1 1 1'),
	('app_membership', 'sqlite_autoindex_app_membership_1', '100000 1'),
	('assignment', 'assignment_created', '500000 500000 1 1 1 1 1'),
	('assignment', 'assignment_from', '500000 500000 30000 1'),
	('assignment', 'assignment_node', '500000 500000 6 1 1 1 1 1'),
	('assignment', 'assignment_node_created', '500000 500000 6 1 1'),
	('assignment', 'assignment_role_created', '500000 500000 2500 1 1'),
	('assignment', 'assignment_role_identity', '500000 500000 2500 1'),
	('assignment', 'assignment_to', '500000 500000 30000 1'),
	('assignment', 'assignment_triple', '500000 500000 5 1 1'),
	('assignment', 'sqlite_autoindex_assignment_1', '500000 1'),
	('assignment_place', 'assignment_place_role', '330000 330000 1700'),
	('assignment_place', 'sqlite_autoindex_assignment_place_1', '330000 330000 4 1'),
	('identity', 'identity_created', '100000 100000 1 1 1 1'),
	('identity', 'identity_email', '100000 100000 1'),
	('identity', 'identity_name', '100000 100000 2 1 1 1'),
	('identity', 'sqlite_autoindex_identity_1', '100000 1'),
	('membership', 'membership_created', '100000 100000 100000 1 1 1 1 1'),
	('membership', 'membership_email', '100000 100000 100000 1 1 1 1 1'),
	('membership', 'membership_identity', '100000 1 1'),
	('membership', 'membership_name', '100000 100000 100000 2 1 1 1 1'),
	('membership', 'sqlite_autoindex_membership_1', '100000 1'),
	('node', 'node_created', '220000 55000 1 1 1'),
	('node', 'node_deleted', '1000 10'),
	('node', 'node_name', '220000 55000 1 1 1 1 1 1 1 1'),
	('node', 'node_ref', '220000 55000 1'),
	('node', 'node_root', '4 1'),
	('node', 'node_siblings', '220000 55000 9 1 1 1 1'),
	('node', 'node_slug', '220000 55000 9 1'),
	('node', 'sqlite_autoindex_node_1', '220000 1');
ANALYZE sqlite_schema;

-- +goose Down
DELETE FROM sqlite_stat1;
ANALYZE sqlite_schema;
