"""An engine in memory that passes the same contract checks."""
