"""Alembic's entry: runs the steps on the connection that `database.py` passes in."""

from alembic import context

from explorer.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
# The transaction is the caller's: all steps, or none.
context.run_migrations()
