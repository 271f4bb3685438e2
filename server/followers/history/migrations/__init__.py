"""The steps from one form of the history database to the next, run by Alembic."""
