"""The first samples: open interest, and the gaps of feeds."""

import sqlalchemy as sa
from alembic import op

revision = "market0001"
down_revision = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "open_interest",
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("ts", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.Float(), nullable=False),
        sa.Column("value", sa.Float()),
        sa.PrimaryKeyConstraint("mark", "key", "ts", name="pk_open_interest"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_open_interest_ts", "open_interest", ["mark", "ts"])
    op.create_table(
        "gaps",
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("exchange", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("from_ts", sa.BigInteger(), nullable=False),
        sa.Column("to_ts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("mark", "exchange", "symbol", "feed", "from_ts", name="pk_gaps"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_gaps_to_ts", "gaps", ["mark", "to_ts"])
