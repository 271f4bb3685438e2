"""Decides from live traffic when a quarantined telephone number is clean."""
