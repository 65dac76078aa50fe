ALTER TABLE tunnels ADD COLUMN pool INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tunnels ADD COLUMN shared INTEGER NOT NULL DEFAULT 0;
-- The teams of the owner when it was made, as JSON.
ALTER TABLE tunnels ADD COLUMN team_ids TEXT NOT NULL DEFAULT '[]';
ALTER TABLE tunnels ADD COLUMN no_proxy_caching INTEGER;
ALTER TABLE tunnels ADD COLUMN vm_version TEXT;
CREATE INDEX tunnels_by_name ON tunnels (owner, name);
