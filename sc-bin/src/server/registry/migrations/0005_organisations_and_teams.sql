CREATE TABLE organisations (
    name         TEXT    NOT NULL PRIMARY KEY,
    tunnel_limit INTEGER,
    created      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO organisations (name, created) VALUES ('default', 0);

ALTER TABLE users ADD COLUMN organisation TEXT NOT NULL DEFAULT 'default';
ALTER TABLE users ADD COLUMN role TEXT NOT NULL DEFAULT 'member';
ALTER TABLE users ADD COLUMN parent TEXT;
ALTER TABLE users ADD COLUMN tunnel_limit INTEGER;
ALTER TABLE users ADD COLUMN key_created INTEGER NOT NULL DEFAULT 0;
UPDATE users SET key_created = created;
CREATE INDEX users_by_organisation ON users (organisation);

CREATE TABLE teams (
    id           TEXT    NOT NULL PRIMARY KEY,
    organisation TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    created      INTEGER NOT NULL,
    UNIQUE (organisation, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE team_members (
    team   TEXT NOT NULL,
    member TEXT NOT NULL,
    PRIMARY KEY (team, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX teams_by_member ON team_members (member);

-- Who did what: starts and ends of tunnels, changes of users. No actor: the server.
CREATE TABLE audit (
    id      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    organisation TEXT NOT NULL,
    actor   TEXT,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    detail  TEXT
) STRICT;
CREATE INDEX audit_by_time ON audit (at);
