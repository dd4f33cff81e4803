"""What a signal is: calls, statistics, looks, what theory expects, rules and causes."""
