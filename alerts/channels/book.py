"""Everybody's destinations: added, proven by a code, tested, chosen from, removed. Kept in memory and in the store."""

import asyncio
import hmac
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from alerts.channels import daily
from alerts.channels.types import (
    EMAIL,
    NO_DIGEST,
    TELEGRAM,
    TEST_ID,
    Destination,
    DestinationStore,
    Status,
)
from alerts.channels.way import Address, Addresses
from alerts.outcome import Gone, Outcome, Refused, Sent
from alerts.types import OutboxRow, Priority, Severity
from market.clock import Clock
from market.errors import AssistantError, UserError
from market.language import _
from market.types import DAY, MINUTE

logger = logging.getLogger(__name__)

MOST = 10  # destinations of one person, and how many they may add in a day
TESTS = 10  # test messages to one destination in a day
TRIES = 5  # wrong codes before a code counts no more
CODE_LIFE = 15 * MINUTE
CODE_PAUSE = MINUTE  # between codes to one destination
EXAMPLE = "/channels add discord https://discord.com/api/webhooks/…"

Post = Callable[[Sequence[OutboxRow]], Awaitable[object]]


def six_digits() -> str:
    """A code that nobody can guess in a few tries."""
    return f"{secrets.randbelow(10**6):06d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A new destination; `secret` is told this once, where its owner needs it."""

    destination: Destination
    secret: str = field(default="", repr=False)


class AddressBook:
    """Destinations by person. `post` commits outbox rows and wakes the outbox."""

    def __init__(
        self,
        store: DestinationStore,
        ways: Mapping[str, Addresses],
        post: Post,
        wall: Clock,
        clock: Clock,
        *,
        code: Callable[[], str] = six_digits,
        hide: Callable[[str], object] = str,
    ) -> None:
        self.ways = ways
        self._store, self._post, self._wall, self._clock = store, post, wall, clock
        self._code, self._hide = code, hide  # `hide` keeps a secret out of logs
        self._by_id: dict[int, Destination] = {}
        self._by_owner: dict[int, tuple[Destination, ...]] = {}
        self._turn = asyncio.Lock()
        self._last = 0

    async def load(self) -> None:
        """Read all that is stored."""
        for each in await self._store.all():
            self._keep(each)

    def find(self, destination_id: int) -> Destination | None:
        """The destination with this number."""
        return self._by_id.get(destination_id)

    def of(self, owner_id: int) -> tuple[Destination, ...]:
        """All of one person, by number."""
        return self._by_owner.get(owner_id, ())

    def all(self) -> list[Destination]:
        """Everybody's."""
        return list(self._by_id.values())

    def destinations_for(self, owner_id: int, severity: Severity) -> list[Destination]:
        """Where a message of this severity goes besides the chat."""
        return [each for each in self._by_owner.get(owner_id, ()) if each.takes(severity)]

    def copies(self, row: OutboxRow, owner_id: int) -> list[OutboxRow]:
        """The rows that carry what `row` says to its owner's destinations."""
        found = [_to(each, row) for each in self.destinations_for(owner_id, row.severity)]
        here = (row.channel, row.chat_id)
        return [each for each in found if (each.channel, each.chat_id) != here]

    async def add(self, owner_id: int, channel: str, typed: str) -> Added:
        """Keep a new destination and send it a test message; UserError says why not."""
        way = self.way(channel)
        await self._refuse_too_many(owner_id)
        address = await way.read(typed, owner_id)
        if any((d.channel, d.address) == (channel, address.address) for d in self.of(owner_id)):
            raise UserError(
                _("{label} is among your channels already.").format(label=address.label),
                "/channels",
            )
        now = self._wall.now()
        new = await self._store.add(_new(owner_id, channel, address, now))
        self._keep(new)
        sent = await self.test(owner_id, new.id)
        return Added(destination=sent, secret=new.secret if address.shown_once else "")

    def way(self, channel: str) -> Addresses:
        """How a channel's addresses are read; UserError where the operator has not set it up."""
        if channel not in self.ways:
            known = ", ".join(self.ways)
            raise UserError(
                _("There is no channel “{name}” here; there are {known}.").format(
                    name=channel[:20], known=known
                ),
                EXAMPLE,
            )
        return self.ways[channel]

    async def test(self, owner_id: int, number: int) -> Destination:
        """Send a test message; one that is not proven yet gets a new code with it."""
        to, now = self.mine(owner_id, number), self._wall.now()
        way = self.way(to.channel)
        spent = to.spent if to.spent_day == now // DAY else 0
        if spent >= (way.daily or TESTS):
            raise UserError(_("That was the last test there for today."), "/channels")
        if to.status not in (Status.PENDING, Status.VERIFIED):
            raise UserError(_("It is switched off."), f"/channels on {to.id}")
        counted = {} if way.daily else {"spent": spent + 1, "spent_day": now // DAY}
        code = to.code
        if to.status is Status.PENDING and way.typed_back:
            if to.code_ts - CODE_LIFE + CODE_PAUSE > now:
                raise UserError(_("The last code was sent less than a minute ago."), "/channels")
            code = self._code()
            to = await self._change(to.id, code=code, code_ts=now + CODE_LIFE, tries=0, **counted)
        else:
            to = await self._change(to.id, **counted)
        self._last = max(self._last + 1, now)
        await self._post([_test_row(to, code, self._last, now, self._clock.now())])
        return to

    async def verify(self, owner_id: int, typed: str) -> Destination:
        """The destination whose code this is; wrong ones are counted."""
        now = self._wall.now()
        waiting = [d for d in self.of(owner_id) if d.status is Status.PENDING and d.code]
        live = [d for d in waiting if d.code_ts > now and d.tries < TRIES]
        if not live:
            raise UserError(
                _("No code is waited for; send a new one."),
                f"/channels test {waiting[0].id}" if waiting else "/channels",
            )
        word = typed.strip().encode()
        for each in live:
            if hmac.compare_digest(each.code.encode(), word):
                return await self._change(
                    each.id, status=Status.VERIFIED, code="", code_ts=0, tries=0, error=""
                )
        for each in live:
            await self._change(each.id, tries=each.tries + 1)
        left = TRIES - 1 - min(d.tries for d in live)
        if left <= 0:
            text = _("That is not the code, and it was the last try; send a new one.")
            raise UserError(text, f"/channels test {live[0].id}")
        raise UserError(
            _("That is not the code; {n} tries are left.").format(n=left), "/channels verify 123456"
        )

    async def remove(self, owner_id: int, number: int) -> Destination:
        """Forget a destination, its address and its secret."""
        gone = self.mine(owner_id, number)
        await self._change(
            gone.id, status=Status.REMOVED, address="", secret="", label="", code="", error="",
        )  # fmt: skip
        return gone

    async def forget(self, owner_id: int) -> None:
        """Remove all destinations of a person who may not use the desk any more."""
        for each in self.of(owner_id):
            await self.remove(owner_id, each.id)

    async def choose(self, owner_id: int, number: int, least: Severity) -> Destination:
        """Only messages of this severity and above go there."""
        return await self._change(self.mine(owner_id, number).id, least=least)

    async def switch(self, owner_id: int, number: int, *, on: bool) -> Destination:
        """Send nothing there for now, or again."""
        to = self.mine(owner_id, number)
        if to.status is Status.PENDING:
            raise UserError(_("It waits for its code."), "/channels verify 123456")
        return await self._change(to.id, status=Status.VERIFIED if on else Status.OFF, error="")

    async def digest(self, owner_id: int, number: int, minute: int, zone: str) -> Destination:
        """A mail with the day's firings at this minute of the owner's day; `NO_DIGEST` for none."""
        to = self.mine(owner_id, number)
        if to.channel != EMAIL:
            raise UserError(_("Only an email address gets a daily digest."), "/channels")
        if minute == NO_DIGEST:
            return await self._change(to.id, digest_at=NO_DIGEST)
        day = daily.last_day(self._wall.now(), zone, minute)
        return await self._change(
            to.id, digest_at=minute, digest_day=day, digest_ts=self._clock.now()
        )

    async def digested(self, number: int, day: int, ts: int) -> None:
        """The digest of this local date is committed; it told up to `ts`."""
        if number in self._by_id:
            await self._change(number, digest_day=day, digest_ts=ts)

    async def spend(self, number: int) -> bool:
        """Count one message against the day's cap of its channel; False where none is left."""
        to = self._by_id[number]
        cap, today = self.ways[to.channel].daily, self._wall.now() // DAY
        spent = to.spent if to.spent_day == today else 0
        if cap and spent >= cap:
            return False
        if cap:
            await self._change(number, spent=spent + 1, spent_day=today)
        return True

    async def noted(self, number: int, outcome: Outcome) -> None:
        """What became of a message to it; a database that is away keeps nothing from being sent."""
        to = self._by_id.get(number)
        if to is None:
            return
        changes = _consequences(to, outcome, typed_back=self.ways[to.channel].typed_back)
        if changes:
            try:
                await self._change(number, **changes)
            except AssistantError as error:
                logger.warning("outcome not noted destination=%d reason=%s", number, error)

    async def chat_gone(self, chat_id: int) -> None:
        """A Telegram chat that was somebody's destination will not have us any more."""
        for each in self.all():
            if (each.channel, each.address) == (TELEGRAM, str(chat_id)):
                await self._change(each.id, status=Status.FAILED, error="chat gone")

    def mine(self, owner_id: int, number: int) -> Destination:
        """The destination with this number, if it is this person's."""
        found = self._by_id.get(number)
        if found is None or found.owner_id != owner_id:
            raise UserError(_("You have no channel {n}.").format(n=number), "/channels")
        return found

    async def _refuse_too_many(self, owner_id: int) -> None:
        if len(self.of(owner_id)) >= MOST:
            raise UserError(
                _("You have {n} channels; remove one first.").format(n=MOST), "/channels"
            )
        if await self._store.added(owner_id, self._wall.now() - DAY) >= MOST:
            raise UserError(
                _("You added {n} channels within a day; come back tomorrow.").format(n=MOST),
                "/channels",
            )

    async def _change(self, number: int, **fields: object) -> Destination:
        """One change after another, each from what is there then."""
        async with self._turn:
            old = self._by_id.get(number)
            if old is None:
                raise UserError(_("You have no channel {n}.").format(n=number), "/channels")
            new: Destination = replace(old, updated_ts=self._wall.now(), **fields)  # type: ignore[arg-type]
            await self._store.save(new)
            self._keep(new)
            return new

    def _keep(self, each: Destination) -> None:
        rest = [d for d in self.of(each.owner_id) if d.id != each.id]
        self._by_id.pop(each.id, None)
        if each.status is not Status.REMOVED:
            self._by_id[each.id] = each
            rest = sorted([*rest, each], key=lambda d: d.id)
            for secret in (each.secret, each.address if "://" in each.address else ""):
                if secret:
                    self._hide(secret)
        self._by_owner[each.owner_id] = tuple(rest)


def _new(owner_id: int, channel: str, address: Address, now: int) -> Destination:
    return Destination(
        id=0, owner_id=owner_id, channel=channel, address=address.address, secret=address.secret,
        label=address.label, status=Status.VERIFIED if address.sure else Status.PENDING,
        created_ts=now, updated_ts=now,
    )  # fmt: skip


def _to(to: Destination, row: OutboxRow) -> OutboxRow:
    chat = int(to.address) if to.channel == TELEGRAM else to.id
    return replace(row, id=0, channel=to.channel, chat_id=chat, thread_id=None)


def _test_row(to: Destination, code: str, number: int, now: int, market: int) -> OutboxRow:
    proof = to.status is Status.PENDING and bool(code)
    body = {
        "glyph": "🔔",
        "headline": _("Test message of Tidemark"),
        "reading": _("Code {code}: type /channels verify {code} in the chat.").format(code=code)
        if proof
        else _("Alerts arrive here."),
        "evidence": _("channel {n}").format(n=to.id),
        "test": True,
        "kind": "test",
        "ts": market,
    }
    row = OutboxRow(
        id=0, alert_id=TEST_ID, transition=number, channel="", chat_id=0, payload=json.dumps(body, ensure_ascii=False),
        created_ts=now, priority=int(Priority.INTERACTIVE), severity=Severity.INFO,
    )  # fmt: skip
    return _to(to, row)


def _consequences(to: Destination, outcome: Outcome, *, typed_back: bool) -> dict[str, object]:
    """What an outcome changes about a destination; most change nothing."""
    match outcome:
        case Sent() if to.status is Status.PENDING and not typed_back:
            return {"status": Status.VERIFIED, "error": ""}
        case Sent() if to.error:
            return {"error": ""}
        case Gone(reason=reason) if to.status is Status.VERIFIED:
            return {"status": Status.FAILED, "error": reason}
        case Gone(reason=reason) | Refused(reason=reason) if to.error != reason:
            return {"error": reason}
    return {}
