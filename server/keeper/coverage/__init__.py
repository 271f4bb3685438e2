"""Feeds and what they claim, from the workers' reports to the keeper's journal."""
