-- What was taken of a limit is worth nothing after a crash, and is written at every request: neither the log of changes nor a disk
-- needs to hear of it.

SET LOCAL ROLE cliply_owner;
ALTER TABLE rate_limits SET UNLOGGED;
ALTER TABLE rate_limits SET (fillfactor = 50);
RESET ROLE;
