"""Who hears of what the monitors notice, from which threshold on, and the switches of the desk."""

import sqlalchemy as sa
from alembic import op

revision = "main0002"
down_revision = "main0001"


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "monitors",
        sa.Column("chat_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("coin", sa.Text(), nullable=False),
        sa.Column("created_ts", sa.BigInteger(), nullable=False),
        sa.Column("thread_id", sa.BigInteger()),
        sa.PrimaryKeyConstraint("chat_id", "coin", name="pk_monitors"),
    )
    op.create_table(
        "thresholds",
        sa.Column("chat_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("coin", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("updated_ts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("chat_id", "kind", "coin", name="pk_thresholds"),
    )
    op.create_table(
        "switches",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("updated_ts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_switches"),
    )
