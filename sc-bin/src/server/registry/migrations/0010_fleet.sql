-- Servers that share this registry. Nothing is in these tables where one server has it for itself.

-- Who carries a tunnel or a job: a member of the fleet; '' where there is none.
ALTER TABLE tunnels ADD COLUMN member TEXT NOT NULL DEFAULT '';
-- What the owner belonged to when the tunnel was made.
ALTER TABLE tunnels ADD COLUMN organisation TEXT NOT NULL DEFAULT '';
-- Whether its client is connected, as its server last said.
ALTER TABLE tunnels ADD COLUMN ready INTEGER NOT NULL DEFAULT 0;
-- What another server asks its server to do with it, as JSON.
ALTER TABLE tunnels ADD COLUMN wish TEXT;
ALTER TABLE jobs ADD COLUMN member TEXT NOT NULL DEFAULT '';
-- Whether another server asks its server to end it.
ALTER TABLE jobs ADD COLUMN end_wanted INTEGER NOT NULL DEFAULT 0;

CREATE INDEX tunnels_live ON tunnels (member) WHERE ended IS NULL;
CREATE INDEX tunnels_live_by_organisation ON tunnels (organisation) WHERE ended IS NULL;
CREATE INDEX jobs_live ON jobs (tunnel_id) WHERE ended IS NULL;
CREATE INDEX jobs_live_by_member ON jobs (member) WHERE ended IS NULL;

CREATE TABLE members (
    -- Another one for each run.
    id           TEXT    NOT NULL PRIMARY KEY,
    address      TEXT    NOT NULL,
    status       TEXT    NOT NULL CHECK (status IN ('serving', 'draining')),
    -- Most tunnels it takes, and how many it has or is about to get.
    capacity     INTEGER NOT NULL,
    tunnels      INTEGER NOT NULL,
    -- Counts up while it lives. What another server sees standing still is dead.
    beat         INTEGER NOT NULL,
    -- Of the database's clock, for people.
    joined       INTEGER NOT NULL,
    last_beat    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What one server asks another one to do, and the answer.
CREATE TABLE orders (
    id       TEXT    NOT NULL PRIMARY KEY,
    sender   TEXT    NOT NULL,
    receiver TEXT    NOT NULL,
    -- JSON, both.
    body     TEXT    NOT NULL,
    answer   TEXT,
    -- Whether the receiver has begun.
    taken    INTEGER NOT NULL DEFAULT 0,
    at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX orders_by_receiver ON orders (receiver);
