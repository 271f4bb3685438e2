"""Tools for a data folder beside its server or without one: verify, backup, restore."""
