"""Alembic's entry point. `loop.store.db.upgrade` hands it a connection that is already in a transaction."""

from alembic import context

from loop.store.tables import Table

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Table.metadata, render_as_batch=True, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
