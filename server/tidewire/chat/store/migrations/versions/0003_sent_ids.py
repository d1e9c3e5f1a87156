"""What clients have sent, by their own ids."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "sent_ids",
        sa.Column("conversation_id", sa.Text, nullable=False),
        sa.Column("client_message_id", sa.Text, nullable=False),
        sa.Column("turn_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "client_message_id", name="sent_ids_pk"),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="sent_ids_conversation_id_fk", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO sent_ids (conversation_id, client_message_id, turn_id) "
        "SELECT conversation_id, client_message_id, turn_id FROM messages "
        "WHERE client_message_id IS NOT NULL"
    )
