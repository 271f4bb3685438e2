"""The configuration file, and how people write durations and addresses in it."""
