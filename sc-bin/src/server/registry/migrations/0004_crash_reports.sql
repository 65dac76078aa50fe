CREATE TABLE crash_reports (
    id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    reporter TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    report   TEXT    NOT NULL
) STRICT;

CREATE INDEX crash_reports_by_reporter ON crash_reports (reporter, id);
