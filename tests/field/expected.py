"""Cases whose verdict is wrong today, by backend.

A case that comes right must be taken off: its mark is strict.
"""

# Models that train well, and are called otherwise.
ACCUSED = {"tensorflow": set(), "jax": set(), "torch": set()}

# Faults whose cause or place nothing names.
UNNAMED = {"tensorflow": set(), "jax": set(), "torch": set()}
