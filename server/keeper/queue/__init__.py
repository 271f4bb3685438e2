"""Which numbers are clean, oldest first: the scan and what is found by it."""
