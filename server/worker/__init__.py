"""The data plane: events in, verdicts out. No command is decided here."""
