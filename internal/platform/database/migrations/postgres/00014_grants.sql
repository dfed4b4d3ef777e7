-- +goose Up
-- Numbers of an Environment's assignments: "all" of them; of each "role" the assignments
-- and, under "members", the distinct identities; of each day (UTC) those whose window
-- begins ("from") or ends ("to") on it.
CREATE TABLE assignment_tally (
	environment_id TEXT COLLATE "C" NOT NULL,
	kind           TEXT COLLATE "C" NOT NULL,
	item           TEXT COLLATE "C" NOT NULL,
	n              BIGINT NOT NULL,
	PRIMARY KEY (environment_id, kind, item)
);

-- How many assignments of each role there are at each node.
CREATE TABLE assignment_place (
	environment_id TEXT COLLATE "C" NOT NULL,
	node_id        TEXT COLLATE "C" NOT NULL,
	role_id        TEXT COLLATE "C" NOT NULL,
	n              BIGINT NOT NULL,
	PRIMARY KEY (environment_id, node_id, role_id)
);
CREATE INDEX assignment_place_role ON assignment_place (environment_id, role_id);

-- +goose Down
DROP TABLE assignment_place;
DROP TABLE assignment_tally;
