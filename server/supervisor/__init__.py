"""The process that starts, watches, replaces and stops all others."""
