"""Alembic's entry: runs the migrations on the connection that the store hands over."""

from alembic import context

from tidewire.chat.store.tables import metadata

# Alembic finds itself inside the store's transaction and leaves beginning and committing to it.
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
