"""The conversation log, and the ledger of tools."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("conversations", sa.Column("last_event", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "events",
        sa.Column("conversation_id", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("turn_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "number", name="events_pk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tool_runs",
        sa.Column("turn_id", sa.Text, nullable=False),
        sa.Column("tool_call_id", sa.Text, nullable=False),
        sa.Column("conversation_id", sa.Text, nullable=False),
        sa.Column("tool_name", sa.Text, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("turn_id", "tool_call_id", name="tool_runs_pk"),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="tool_runs_conversation_id_fk", ondelete="CASCADE"
        ),
    )
    op.create_index("tool_runs_by_conversation", "tool_runs", ["conversation_id"])
