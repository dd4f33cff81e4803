"""What the callback costs, beside no callback and beside other ways to see the same."""
