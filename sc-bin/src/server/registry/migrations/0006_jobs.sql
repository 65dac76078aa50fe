CREATE TABLE jobs (
    id            TEXT    NOT NULL PRIMARY KEY,
    owner         TEXT    NOT NULL,
    name          TEXT,
    tunnel_id     TEXT    NOT NULL,
    tunnel_name   TEXT,
    tunnel_owner  TEXT    NOT NULL,
    proxy_address TEXT    NOT NULL,
    created       INTEGER NOT NULL,
    ended         INTEGER,
    end_reason    TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX jobs_by_owner ON jobs (owner, created);
CREATE INDEX jobs_by_end ON jobs (ended);
