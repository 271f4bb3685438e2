"""What Alembic runs to apply steps: on the connection that `schema.py` gives it."""

from alembic import context

from ringfence.server.followers.history.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
