-- What is known about a job and does nothing: JSON, as api/job.rs has it.
ALTER TABLE jobs ADD COLUMN details TEXT;
-- Of a WebDriver session: its endpoint, and its id there.
ALTER TABLE jobs ADD COLUMN endpoint TEXT;
ALTER TABLE jobs ADD COLUMN endpoint_session TEXT;
