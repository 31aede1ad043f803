"""What to do with a fitted model: intervals, states of a log, workload, migration."""
