"""Policies, pools and feeds: how they are changed, kept and published."""
