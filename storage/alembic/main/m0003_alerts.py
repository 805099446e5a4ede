"""Whole lives of alerts: rules with more to them, states by subject, the ledger, ways out, drafts, scores."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "main0003"
down_revision = "main0002"

BIG, INT, TEXT = sa.BigInteger(), sa.Integer(), sa.Text()
ROW = sa.BigInteger().with_variant(sa.Integer, "sqlite")
STATE = (
    "armed", "side", "last_value", "last_ts", "fired_ts", "fired_count", "transition", "anchor", "bar_ts",
)  # fmt: skip


def _must(name: str, kind: sa.types.TypeEngine[Any], default: Any = None) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, server_default=default)


def _key(name: str, kind: sa.types.TypeEngine[Any] = BIG) -> sa.Column[Any]:
    return sa.Column(name, kind, autoincrement=False, nullable=False)


def upgrade() -> None:
    """Add the columns and create the tables; what is stored stays."""
    for column in (
        _must("severity", TEXT, "warning"), _must("note", TEXT, ""), sa.Column("expires_ts", BIG),
        _must("snoozed_until", BIG, "0"), _must("daily_cap", INT, "0"), _must("subjects", TEXT, "[]"),
    ):  # fmt: skip
        op.add_column("alerts", column)
    op.create_index("ix_alerts_expires_ts", "alerts", ["expires_ts"])
    for column in (
        _must("subject", TEXT, ""), _must("late", sa.Boolean(), sa.false()), sa.Column("price", sa.Float()),
        _must("chart", TEXT, ""), _must("told", sa.Boolean(), sa.true()),
    ):  # fmt: skip
        op.add_column("firings", column)
    op.create_index("ix_firings_ts", "firings", ["ts"])
    for column in (
        _must("priority", INT, "4"), _must("severity", TEXT, "warning"), _must("coin", TEXT, ""),
        sa.Column("merged_into", BIG),
    ):  # fmt: skip
        op.add_column("outbox", column)
    _states()
    _tables()


def _states() -> None:
    """The key grows by the subject, which SQLite cannot do in place."""
    op.rename_table("alert_states", "alert_states_before")
    op.create_table(
        "alert_states",
        _key("rule_id"), _key("subject", TEXT), _must("armed", sa.Boolean()), _must("side", INT),
        sa.Column("last_value", sa.Float()), _must("last_ts", BIG), _must("fired_ts", BIG),
        _must("fired_count", BIG), _must("transition", BIG), sa.Column("anchor", sa.Float()),
        _must("bar_ts", BIG), _must("memory", TEXT),
        sa.PrimaryKeyConstraint("rule_id", "subject", name="pk_alert_states_subject"),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["alerts.id"], name="fk_alert_states_rule_id_subject", ondelete="CASCADE"
        ),
    )  # fmt: skip
    names = ("rule_id", *STATE)
    new = sa.table("alert_states", *(sa.column(name) for name in (*names, "subject", "memory")))
    old = sa.table("alert_states_before", *(sa.column(name) for name in names))
    copied = sa.select(*(old.c[name] for name in names), sa.literal(""), sa.literal(""))
    op.execute(sa.insert(new).from_select([*names, "subject", "memory"], copied))
    op.drop_table("alert_states_before")


def _tables() -> None:
    op.create_table(
        "alert_marks",
        _key("subject", TEXT), _key("name", TEXT), _key("window"), _key("timeframe", TEXT),
        _key("param", TEXT), _must("ts", BIG), sa.Column("value", sa.Float()),
        sa.PrimaryKeyConstraint(
            "subject", "name", "window", "timeframe", "param", name="pk_alert_marks"
        ),
    )  # fmt: skip
    op.create_table(
        "deliveries",
        sa.Column("id", ROW, primary_key=True), _must("ts", BIG), sa.Column("row_id", BIG),
        _must("channel", TEXT), _must("chat_id", BIG), _must("priority", INT), _must("event", TEXT),
        sa.Column("message_id", BIG), _must("detail", TEXT),
        sqlite_autoincrement=True,
    )  # fmt: skip
    op.create_index("ix_deliveries_row_id", "deliveries", ["row_id"])
    op.create_index("ix_deliveries_ts", "deliveries", ["ts"])
    op.create_table(
        "loudness",
        _key("chat_id"), _must("matrix", TEXT), _must("quiet_from", INT), _must("quiet_to", INT),
        _must("topics", TEXT), _must("updated_ts", BIG),
        sa.PrimaryKeyConstraint("chat_id", name="pk_loudness"),
    )  # fmt: skip
    op.create_table(
        "mutes",
        _key("chat_id"), _key("owner_id"), _must("until", BIG),
        sa.PrimaryKeyConstraint("chat_id", "owner_id", name="pk_mutes"),
    )  # fmt: skip
    op.create_table(
        "destinations",
        sa.Column("id", ROW, primary_key=True), _must("owner_id", BIG), _must("channel", TEXT),
        _must("address", TEXT), _must("secret", TEXT), _must("label", TEXT), _must("status", TEXT),
        _must("code", TEXT), _must("code_ts", BIG), _must("tries", INT), _must("least", TEXT),
        _must("error", TEXT), _must("spent", INT), _must("spent_day", INT), _must("digest_at", INT),
        _must("digest_day", INT), _must("digest_ts", BIG), _must("created_ts", BIG),
        _must("updated_ts", BIG),
        sqlite_autoincrement=True,
    )  # fmt: skip
    op.create_index("ix_destinations_owner_id", "destinations", ["owner_id"])
    op.create_table(
        "drafts",
        _key("chat_id"), _key("user_id"), _must("body", TEXT), sa.Column("message_id", BIG),
        _must("updated_ts", BIG),
        sa.PrimaryKeyConstraint("chat_id", "user_id", name="pk_drafts"),
    )  # fmt: skip
    op.create_table(
        "scores",
        _key("rule_id"), _key("transition"), _key("horizon"), _must("due_ts", BIG),
        _must("tried_ts", BIG), sa.Column("move", sa.Float()), _must("controls", TEXT),
        _must("error", TEXT),
        sa.PrimaryKeyConstraint("rule_id", "transition", "horizon", name="pk_scores"),
    )  # fmt: skip
    unmeasured = sa.text("move IS NULL AND error = ''")
    op.create_index(
        "ix_scores_due_ts",
        "scores",
        ["due_ts"],
        sqlite_where=unmeasured,
        postgresql_where=unmeasured,
    )
