-- Times are Unix seconds.

CREATE TABLE users (
    name       TEXT    NOT NULL PRIMARY KEY,
    key_sha256 BLOB    NOT NULL CHECK (length(key_sha256) = 32),
    created    INTEGER NOT NULL,
    last_used  INTEGER
) STRICT, WITHOUT ROWID;

-- No foreign key to users: the records of a removed user's tunnels stay until they are pruned.
CREATE TABLE tunnels (
    id              TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    owner           TEXT    NOT NULL,
    name            TEXT,
    status          TEXT    NOT NULL CHECK (status IN ('booting', 'running', 'halting', 'terminated')),
    host            TEXT    NOT NULL,
    port            INTEGER NOT NULL,
    proxy_address   TEXT    NOT NULL,
    created         INTEGER NOT NULL,
    launched        INTEGER,
    last_connected  INTEGER,
    ended           INTEGER,
    user_shutdown   INTEGER,
    shutdown_reason TEXT,
    extra_info      TEXT,
    metadata        TEXT    NOT NULL,
    CHECK ((status = 'terminated') = (ended IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX tunnels_by_owner ON tunnels (owner, created);
CREATE INDEX tunnels_by_end ON tunnels (ended);
