"""What a signal is: calls, statistics, snapshots, what theory expects, rules and causes."""
