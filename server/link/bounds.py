"""Bounds of the contract that several processes keep."""

NUMBERS_MAX = 65_536
"""Numbers in one message of a command."""
REJECTIONS_MAX = 100
"""Numbers of a quarantine that are rejected one by one; the others are only counted."""
