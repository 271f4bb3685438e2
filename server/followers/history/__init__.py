"""The history: every change of a number's verdict, kept in a relational database."""

import logging

logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells each plugin that it loads
