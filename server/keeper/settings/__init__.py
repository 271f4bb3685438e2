"""Policies and pools: put, listed, deleted."""
