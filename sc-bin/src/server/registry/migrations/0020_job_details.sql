-- What is known about a job and does nothing: JSON, as api/job.rs has it.
ALTER TABLE jobs ADD COLUMN details TEXT;
