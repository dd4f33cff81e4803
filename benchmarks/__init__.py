"""Ratios measured side by side in one run; nothing here is installed or asserted."""
