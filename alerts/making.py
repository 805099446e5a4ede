"""From typed words to a rule with an owner: what is asked, who asks, and where the rule stands at first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alerts.conditions import is_simple
from alerts.kinds import KINDS, kind_of
from alerts.kinds.words import Compiled
from alerts.limits import active_limit, zone_of
from alerts.states import first_state
from alerts.types import AlertRule, AlertState, Look
from exchanges.hub import Market
from market.errors import UserError
from market.language import _

WORDS = "when"  # the kind that takes a rule in words
PRICE = "price"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who wants something of the alerts of a chat. `admin` may change those of others."""

    chat_id: int
    user_id: int
    admin: bool = False
    role: str = ""  # how many alerts they may have; without one that of an alerter, or of an admin

    @property
    def limit(self) -> int:
        """Active alerts they may have in this chat."""
        return active_limit(self.role or ("admin" if self.admin else "alerter"))


def may(rule: AlertRule, asker: Asker) -> bool:
    """Whether somebody may change a rule."""
    return rule.chat_id == asker.chat_id and (asker.admin or rule.owner_id == asker.user_id)


def full(limit: int) -> UserError:
    """There is no room for another rule."""
    if limit == 0:
        return UserError(_("Your role reads alerts, it does not make any."), "/alerts")
    text = _("You have {n} active alerts here, which is the most; pause or delete one first.")
    return UserError(text.format(n=limit), "/alerts")


def compiled_line(
    command: str, words: Sequence[str], market: Market, exchange: str
) -> tuple[str, Compiled]:
    """The kind and the rule of a typed command; without one, or where a price is not meant, of a rule in words."""
    kinds = {name: kind.name for kind in KINDS for name in (kind.command, *kind.aliases)}
    name = kinds.get(command) if command else WORDS
    if name is None:
        raise UserError(_("There is no /{name}.").format(name=command[:24]), "/alert")
    try:
        return name, kind_of(name).compile(tuple(words), market, exchange)
    except UserError:
        if name != PRICE:
            raise
        try:
            return WORDS, kind_of(WORDS).compile(tuple(words), market, exchange)
        except UserError:
            pass
        raise


def rule_from(
    kind: str,
    made: Compiled,
    asker: Asker,
    *,
    now: int,
    wall: int,
    zone: str,
    thread_id: int | None,
) -> AlertRule:
    """A rule that is not stored yet; `now` is the market's."""
    options = made.options
    return AlertRule(
        id=0, chat_id=asker.chat_id, owner_id=asker.user_id, kind=kind, text=made.text,
        condition=made.condition, coin=made.coin, repeat=made.repeat, cooldown=made.cooldown,
        created_ts=now, thread_id=thread_id, severity=made.severity,
        note=options.note, expires_ts=options.expires_ts(wall, zone_of(zone)),
        daily_cap=options.daily_cap or 0, subjects=made.subjects,
    )  # fmt: skip


def edited(rule: AlertRule, new: AlertRule) -> AlertRule:
    """`rule` with what `new` asks for: number, owner, place and a pause stay."""
    return replace(
        new, id=rule.id, chat_id=rule.chat_id, owner_id=rule.owner_id, thread_id=rule.thread_id,
        snoozed_until=rule.snoozed_until,
    )  # fmt: skip


def first_look(rule: AlertRule, look: Look) -> AlertState:
    """Where a rule stands when it is made; several parts or subjects are learnt by whoever watches them."""
    if not is_simple(rule.condition) or rule.subjects or not look.legs:
        return AlertState(rule_id=rule.id, last_ts=rule.created_ts)
    leaf = look.legs[0].leaf
    return replace(first_state(rule, list(look.samples.get(leaf.metric, ()))), rule_id=rule.id)
