-- The lists that say where a tunnel's requests go, as JSON.
ALTER TABLE tunnels ADD COLUMN rules TEXT NOT NULL DEFAULT '{}';
