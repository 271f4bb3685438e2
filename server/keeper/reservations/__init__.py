"""Reservations: made, extended, confirmed, cancelled, run out."""
