"""The first tables: decisions, changes, complaints, reservations, and what the writer remembers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes all tables in an empty database."""
    op.create_table(
        "pools",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
    )
    op.create_table(
        "places",
        sa.Column("place", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("pool", sa.Integer(), sa.ForeignKey("pools.id"), nullable=False),
    )
    op.create_table(
        "progress",
        sa.Column(
            "id",
            sa.Integer(),
            sa.CheckConstraint("id = 1", name="progress_once"),
            primary_key=True,
        ),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("folder_id", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "holes",
        sa.Column("after", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("before", sa.BigInteger(), nullable=False),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "decisions",
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("decisions_by_time", "decisions", ["decided_at", "position"])
    op.create_table(
        "changes",
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("row", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("pool", sa.Integer()),
        sa.Column("previous", sa.SmallInteger(), nullable=False),
        sa.Column("current", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger()),
        sa.Column("quarantined_at", sa.BigInteger()),
        sa.Column("reason", sa.SmallInteger()),
        sa.Column("reservation", sa.Text()),
        sqlite_with_rowid=False,
    )
    op.create_index("changes_by_number", "changes", ["number", "position", "row"])
    op.create_index("changes_by_pool", "changes", ["pool", "position", "row"])
    op.create_table(
        "complaints",
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("row", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("pool", sa.Integer(), sa.ForeignKey("pools.id")),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("assigned_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_complaints_number", "complaints", ["number"])
    op.create_table(
        "reservations",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("pool", sa.Integer(), sa.ForeignKey("pools.id")),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("numbers", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("actor", sa.Text(), nullable=False),
    )
    op.create_index("ix_reservations_created_at", "reservations", ["created_at"])
