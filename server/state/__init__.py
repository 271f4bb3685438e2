"""What commands leave: books of settings, reservations, coverage and hand-outs."""
