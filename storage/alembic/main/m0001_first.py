"""The first tables: people, chats, audit, inbox, buttons, alerts and what leaves."""

import sqlalchemy as sa
from alembic import op

revision = "main0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UNHANDLED = sa.text("done_ts IS NULL")
OPEN = sa.text("status IN ('queued', 'sending')")


def upgrade() -> None:
    """Create everything; the caller's transaction makes it all or nothing."""
    _people()
    _audit()
    _incoming()
    _alerts()
    _outbox()


def _big(name: str, nullable: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=nullable, autoincrement=False)


def _words(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _people() -> None:
    op.create_table(
        "people",
        _big("user_id"),
        *_words("name"),
        sa.Column("role", sa.Integer(), nullable=False),
        *_words("status"),
        _big("created_ts"),
        _big("updated_ts"),
        sa.PrimaryKeyConstraint("user_id", name="pk_people"),
    )
    op.create_table(
        "chats",
        _big("chat_id"),
        *_words("kind", "title"),
        sa.Column("alive", sa.Boolean(), nullable=False),
        _big("created_ts"),
        _big("updated_ts"),
        sa.PrimaryKeyConstraint("chat_id", name="pk_chats"),
    )
    op.create_table(
        "preferences",
        _big("chat_id"),
        *_words("zone", "unit", "exchange"),
        _big("updated_ts"),
        sa.PrimaryKeyConstraint("chat_id", name="pk_preferences"),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", ID, nullable=False),
        _big("ts"),
        _big("actor"),
        *_words("action", "detail", "hash"),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    bind = op.get_bind()
    if bind.dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END"
            )
        return
    schema = bind.dialect.identifier_preparer.quote(
        bind.get_execution_options()["schema_translate_map"][None]
    )
    op.execute(
        f"CREATE FUNCTION {schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.audit "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change()"
    )


def _incoming() -> None:
    op.create_table(
        "inbox",
        _big("update_id"),
        sa.Column("payload", sa.Text()),
        _big("received_ts"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _big("claimed_ts", nullable=True),
        _big("done_ts", nullable=True),
        sa.PrimaryKeyConstraint("update_id", name="pk_inbox"),
    )
    op.create_index(
        "ix_inbox_open",
        "inbox",
        ["received_ts", "update_id"],
        sqlite_where=UNHANDLED,
        postgresql_where=UNHANDLED,
    )
    op.create_table(
        "buttons",
        *_words("token"),
        _big("chat_id"),
        *_words("payload"),
        _big("expires"),
        sa.PrimaryKeyConstraint("token", "chat_id", name="pk_buttons"),
    )
    op.create_index("ix_buttons_expires", "buttons", ["expires"])


def _alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", ID, nullable=False),
        _big("chat_id"),
        _big("owner_id"),
        *_words("kind", "text", "condition", "coin", "repeat"),
        _big("cooldown"),
        _big("created_ts"),
        _big("thread_id", nullable=True),
        *_words("status", "paused_reason"),
        _big("status_ts"),
        _big("update_id", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
        sa.UniqueConstraint("update_id", name="uq_alerts_update_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alerts_chat_id", "alerts", ["chat_id"])
    op.create_index("ix_alerts_status", "alerts", ["status"])
    op.create_table(
        "alert_states",
        _big("rule_id"),
        sa.Column("armed", sa.Boolean(), nullable=False),
        sa.Column("side", sa.Integer(), nullable=False),
        sa.Column("last_value", sa.Float()),
        _big("last_ts"),
        _big("fired_ts"),
        _big("fired_count"),
        _big("transition"),
        sa.Column("anchor", sa.Float()),
        _big("bar_ts"),
        sa.PrimaryKeyConstraint("rule_id", name="pk_alert_states"),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["alerts.id"], name="fk_alert_states_rule_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "firings",
        _big("rule_id"),
        _big("transition"),
        _big("ts"),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        *_words("text"),
        sa.PrimaryKeyConstraint("rule_id", "transition", name="pk_firings"),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["alerts.id"], name="fk_firings_rule_id", ondelete="CASCADE"
        ),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", ID, nullable=False),
        _big("alert_id"),
        _big("transition"),
        *_words("channel"),
        _big("chat_id"),
        *_words("payload"),
        _big("created_ts"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _big("next_ts"),
        *_words("status"),
        _big("thread_id", nullable=True),
        *_words("error"),
        _big("message_id", nullable=True),
        _big("done_ts", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint(
            "alert_id", "transition", "channel", "chat_id", name="uq_outbox_alert_id"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_outbox_open",
        "outbox",
        ["channel", "chat_id", "id"],
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    op.create_index("ix_outbox_chat_id", "outbox", ["chat_id"])
    op.create_index("ix_outbox_created_ts", "outbox", ["created_ts"])
