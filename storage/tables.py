"""The tables. `MAIN` must not lose a commit; `MARKET` holds samples that can be gathered again.

Every id is 64-bit: Telegram's are. Times are ms UTC of the wall, where nothing else is said.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ix": "ix_%(table_name)s_%(column_0_name)s",
}
MAIN = MetaData(naming_convention=NAMES)
MARKET = MetaData(naming_convention=NAMES)

RowId = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows only in an INTEGER key


class Words(TypeDecorator[str]):
    """Text from outside, without NUL and lone surrogates: a database would refuse them."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Clean one value on its way in."""
        return (
            None if value is None else value.replace("\0", "").encode("utf-8", "replace").decode()
        )


def _id(name: str) -> Column[int]:
    """A key that is given to us, never counted up by the database."""
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def _ms(name: str, **options: Any) -> Column[int]:
    return Column(name, BigInteger, nullable=False, **options)


def _words(name: str, **options: Any) -> Column[str]:
    return Column(name, Words, nullable=False, **options)


people = Table(
    "people",
    MAIN,
    _id("user_id"),
    _words("name"),
    Column("role", Integer, nullable=False),
    _words("status"),
    _ms("created_ts"),
    _ms("updated_ts"),
)

chats = Table(
    "chats",
    MAIN,
    _id("chat_id"),
    _words("kind"),
    _words("title"),
    Column("alive", Boolean, nullable=False),
    _ms("created_ts"),
    _ms("updated_ts"),
)

preferences = Table(  # a row exists only where somebody chose something
    "preferences",
    MAIN,
    _id("chat_id"),
    _words("zone"),
    _words("unit"),
    _words("exchange"),
    _ms("updated_ts"),
)

audit = Table(  # append-only: triggers refuse every change, and each hash covers the one before
    "audit",
    MAIN,
    Column("id", RowId, primary_key=True),
    _ms("ts"),
    Column("actor", BigInteger, nullable=False),
    _words("action"),
    _words("detail"),
    _words("hash"),
    sqlite_autoincrement=True,
)

UNHANDLED = text("done_ts IS NULL")
inbox = Table(
    "inbox",
    MAIN,
    _id("update_id"),
    Column("payload", Words),  # NULL once handled: the id stays, against redelivery
    _ms("received_ts"),
    Column("attempts", Integer, nullable=False),
    Column("claimed_ts", BigInteger),
    Column("done_ts", BigInteger),
)
Index(
    "ix_inbox_open",
    inbox.c.received_ts,
    inbox.c.update_id,
    sqlite_where=UNHANDLED,
    postgresql_where=UNHANDLED,
)

buttons = Table(
    "buttons",
    MAIN,
    Column("token", Words, primary_key=True),
    _id("chat_id"),
    _words("payload"),
    _ms("expires"),
)
Index("ix_buttons_expires", buttons.c.expires)

alerts = Table(
    "alerts",
    MAIN,
    Column("id", RowId, primary_key=True),
    Column("chat_id", BigInteger, nullable=False),
    Column("owner_id", BigInteger, nullable=False),
    _words("kind"),
    _words("text"),
    _words("condition"),
    _words("coin"),
    _words("repeat"),
    Column("cooldown", BigInteger, nullable=False),
    _ms("created_ts"),
    Column("thread_id", BigInteger),
    _words("status"),
    _words("paused_reason"),
    _ms("status_ts"),  # 0 where nobody said
    Column("update_id", BigInteger),  # the update that made it; forgotten together with the inbox's
    _words("severity"),
    _words("note"),
    Column("expires_ts", BigInteger),
    _ms("snoozed_until"),
    Column("daily_cap", Integer, nullable=False),
    _words("subjects"),  # JSON
    UniqueConstraint("update_id"),
    sqlite_autoincrement=True,  # an id is never given twice
)
Index("ix_alerts_chat_id", alerts.c.chat_id)
Index("ix_alerts_status", alerts.c.status)
Index("ix_alerts_expires_ts", alerts.c.expires_ts)

alert_states = Table(
    "alert_states",
    MAIN,
    Column(
        "rule_id",
        BigInteger,
        ForeignKey("alerts.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("subject", Words, primary_key=True),  # "" but for rules over several
    Column("armed", Boolean, nullable=False),
    Column("side", Integer, nullable=False),
    Column("last_value", Float),
    _ms("last_ts"),
    _ms("fired_ts"),
    Column("fired_count", BigInteger, nullable=False),
    Column("transition", BigInteger, nullable=False),
    Column("anchor", Float),
    _ms("bar_ts"),
    _words("memory"),
)

alert_marks = Table(  # up to when a metric was looked at, as of the states saved with it
    "alert_marks",
    MAIN,
    Column("subject", Words, primary_key=True),
    Column("name", Words, primary_key=True),
    Column("window", BigInteger, primary_key=True, autoincrement=False),
    Column("timeframe", Words, primary_key=True),
    Column("param", Words, primary_key=True),
    _ms("ts"),  # market
    Column("value", Float),
)

firings = Table(
    "firings",
    MAIN,
    Column(
        "rule_id",
        BigInteger,
        ForeignKey("alerts.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    _id("transition"),
    _ms("ts"),  # market
    Column("value", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    _words("text"),
    _words("subject"),
    Column("late", Boolean, nullable=False),
    Column("price", Float),
    _words("chart"),
    Column("told", Boolean, nullable=False),
)
Index("ix_firings_ts", firings.c.ts)

OPEN = text("status IN ('queued', 'sending')")
outbox = Table(
    "outbox",
    MAIN,
    Column("id", RowId, primary_key=True),
    Column("alert_id", BigInteger, nullable=False),
    Column("transition", BigInteger, nullable=False),
    _words("channel"),
    Column("chat_id", BigInteger, nullable=False),
    _words("payload"),
    _ms("created_ts"),
    Column("attempts", Integer, nullable=False),
    _ms("next_ts"),
    _words("status"),
    Column("thread_id", BigInteger),
    _words("error"),
    Column("message_id", BigInteger),
    Column("done_ts", BigInteger),
    Column("priority", Integer, nullable=False),
    _words("severity"),
    _words("coin"),
    Column("merged_into", BigInteger),  # the row whose message lists this one
    UniqueConstraint("alert_id", "transition", "channel", "chat_id"),
    sqlite_autoincrement=True,
)
Index(
    "ix_outbox_open",
    outbox.c.channel,
    outbox.c.chat_id,
    outbox.c.id,
    sqlite_where=OPEN,
    postgresql_where=OPEN,
)
Index("ix_outbox_chat_id", outbox.c.chat_id)
Index("ix_outbox_created_ts", outbox.c.created_ts)

open_interest = Table(
    "open_interest",
    MARKET,
    Column(
        "mark", Words, primary_key=True
    ),  # "" live; a simulated or replayed market has its own rows
    Column("key", Words, primary_key=True),
    _id("ts"),
    Column("amount", Float, nullable=False),
    Column("value", Float),
    sqlite_with_rowid=False,
)
Index("ix_open_interest_ts", open_interest.c.mark, open_interest.c.ts)

gaps = Table(
    "gaps",
    MARKET,
    Column("mark", Words, primary_key=True),
    Column("exchange", Words, primary_key=True),
    Column("symbol", Words, primary_key=True),  # "" is every symbol of the exchange
    Column("feed", Words, primary_key=True),
    _id("from_ts"),
    _ms("to_ts"),
    sqlite_with_rowid=False,
)
Index("ix_gaps_to_ts", gaps.c.mark, gaps.c.to_ts)

checkpoints = Table(  # the live state of one instrument, replaced each minute
    "checkpoints",
    MARKET,
    Column("mark", Words, primary_key=True),
    Column("key", Words, primary_key=True),
    _ms("ts"),  # market
    Column("body", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

flow_rows = Table(  # taker flow of one minute in seconds, written once
    "flow_rows",
    MARKET,
    Column("mark", Words, primary_key=True),
    Column("key", Words, primary_key=True),
    _id("minute"),  # market ms at which it begins
    Column("body", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_flow_rows_minute", flow_rows.c.mark, flow_rows.c.minute)

facts = Table(  # what the monitors noticed
    "facts",
    MARKET,
    Column("id", RowId, primary_key=True),
    _words("mark"),
    _ms("ts"),  # market
    _words("kind"),
    _words("key"),  # of the instrument, or a coin
    _words("coin"),
    _words("severity"),
    Column("value", Float),
    Column("threshold", Float),
    _words("text"),
    _words("detail"),  # JSON
    sqlite_autoincrement=True,
)
Index("ix_facts_ts", facts.c.mark, facts.c.ts)

monitors = Table(  # which chat hears of which coin
    "monitors",
    MAIN,
    _id("chat_id"),
    Column("coin", Words, primary_key=True),  # "*" is every coin of the watch list
    _ms("created_ts"),
    Column("thread_id", BigInteger),
)

thresholds = Table(  # what a chat chose in place of a monitor's own threshold
    "thresholds",
    MAIN,
    _id("chat_id"),
    Column("kind", Words, primary_key=True),
    Column("coin", Words, primary_key=True),  # "*" is every coin
    Column("value", Float, nullable=False),
    _ms("updated_ts"),
)

switches = Table(  # what an admin turned on or off for the whole desk
    "switches",
    MAIN,
    Column("name", Words, primary_key=True),
    _words("value"),
    _ms("updated_ts"),
)

deliveries = Table(  # the ledger: what became of every message, and why; only ever added to
    "deliveries",
    MAIN,
    Column("id", RowId, primary_key=True),
    _ms("ts"),
    Column("row_id", BigInteger),  # of the outbox; NULL for answers to people
    _words("channel"),
    Column("chat_id", BigInteger, nullable=False),
    Column("priority", Integer, nullable=False),
    _words("event"),  # queued, sending, sent, edited, merged, muted, failed, retried, expired
    Column("message_id", BigInteger),
    _words("detail"),
    sqlite_autoincrement=True,
)
Index("ix_deliveries_row_id", deliveries.c.row_id)
Index("ix_deliveries_ts", deliveries.c.ts)

loudness = (
    Table(  # what a chat chose about being told; a row exists only where somebody chose something
        "loudness",
        MAIN,
        _id("chat_id"),
        _words("matrix"),  # JSON: severity -> sound, silent, off
        Column(
            "quiet_from", Integer, nullable=False
        ),  # minute of the day in the chat's zone; -1: none
        Column("quiet_to", Integer, nullable=False),
        _words("topics"),  # JSON: class of message -> thread id
        _ms("updated_ts"),
    )
)

mutes = Table(  # whose alerts a group does not want to hear for a while
    "mutes",
    MAIN,
    _id("chat_id"),
    _id("owner_id"),
    _ms("until"),  # wall
)

destinations = Table(  # ways out of a person that are not a Telegram chat
    "destinations",
    MAIN,
    Column("id", RowId, primary_key=True),
    Column("owner_id", BigInteger, nullable=False),
    _words("channel"),  # discord, webhook, email, sms, x
    _words("address"),
    _words("secret"),
    _words("label"),
    _words("status"),  # pending, verified, off, failed
    _words("code"),  # what a test message carried, until it is typed back
    _ms("code_ts"),  # until when the code counts
    Column("tries", Integer, nullable=False),  # wrong codes typed
    _words("least"),  # the lowest severity that goes there
    _words("error"),
    Column("spent", Integer, nullable=False),  # messages on `spent_day`: SMS cost money
    Column("spent_day", Integer, nullable=False),  # days since 1970, UTC
    Column("digest_at", Integer, nullable=False),  # minute of the owner's day; -1: no daily digest
    Column("digest_day", Integer, nullable=False),  # ordinal of the local date of the last one
    _ms("digest_ts"),  # market: up to when the last one told
    _ms("created_ts"),
    _ms("updated_ts"),
    sqlite_autoincrement=True,
)
Index("ix_destinations_owner_id", destinations.c.owner_id)

drafts = Table(  # a conversation that is not finished: the wizard, a rule that waits to be armed
    "drafts",
    MAIN,
    _id("chat_id"),
    _id("user_id"),
    _words("body"),  # JSON
    Column("message_id", BigInteger),
    _ms("updated_ts"),
)

UNMEASURED = text("move IS NULL AND error = ''")
scores = Table(  # what followed a firing, beside what follows at matched moments without one
    "scores",
    MAIN,
    _id("rule_id"),
    _id("transition"),
    _id("horizon"),  # ms
    _ms("due_ts"),  # market
    _ms("tried_ts"),
    Column("move", Float),  # fraction; NULL until it is known
    _words("controls"),  # JSON: the moves of the matched moments
    _words("error"),
)
Index(
    "ix_scores_due_ts",
    scores.c.due_ts,
    sqlite_where=UNMEASURED,
    postgresql_where=UNMEASURED,
)
