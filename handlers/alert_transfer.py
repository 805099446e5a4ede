"""Alerts as text and back, and to other coins, as a chat sees it."""

from collections.abc import Sequence

from alerts.copying import CoinLevels
from alerts.kinds import kind_of
from alerts.service import View
from alerts.transfer import Imported
from handlers import alert_cards as cards
from handlers.alert_asking import asker, one_id, wants_echo
from handlers.alert_session import in_rows
from handlers.app import App
from handlers.base import Args, Button, Card, Reply
from market.errors import UserError
from market.language import _

MOST_COPIES = 10  # coins at a time
SHOWN = 8  # lines that were not understood
EXAMPLE = "/alerts import\n/alert BTC above 95k\n/alert_volume ETH 300 1h"


async def export(args: Args, app: App, ids: Sequence[int]) -> Reply:
    """One line for each alert: what /alerts import takes."""
    text = await app.alerts.export(args.chat.chat_id, None if ids else asker(args), ids)
    if not text:
        return Reply(
            card=Card(headline=_("No alerts to export")),
            buttons=[[Button(text=_("🔔 My alerts"), command="/alerts")]],
        )
    return Reply(text=text, data={"lines": text.splitlines()})


async def imported(args: Args, app: App) -> Reply:
    """Arm every line of a text; what a line has against it is said, and does not hold up the others."""
    text = args.rest.strip()
    if text.lower().startswith("import"):
        text = text[len("import") :].strip()
    if not text:
        raise UserError(_("Put the alerts after it, one on each line."), EXAMPLE)
    found = await app.alerts.take(
        text, asker(args), exchange=args.preferences.exchange, thread_id=args.thread_id
    )
    return _card(found, app)


async def copied(args: Args, app: App) -> Reply:
    """`/alerts copy 12 ETH SOL`: the same alert about each of these; what stands against a coin is said.

    A level that belongs to the old coin is carried by the price and armed by one more tap only.
    """
    if len(args.words) < 3:
        raise UserError(_("Which alert, to which coins?"), "/alerts copy 12 ETH SOL")
    rule_id, coins = one_id(args.words[1:2]), _coins(args.words[2:])
    made: list[View] = []
    problems: list[tuple[str, UserError]] = []
    for coin in coins:
        try:
            made.append(await app.alerts.copy(
                rule_id, coin, asker(args), exchange=args.preferences.exchange,
                thread_id=args.thread_id, update_id=args.update_id if len(coins) == 1 else None,
            ))  # fmt: skip
        except UserError as error:
            problems.append((coin, error))
    if len(coins) == 1 and problems and not isinstance(problems[0][1], CoinLevels):
        raise problems[0][1]
    if len(coins) == 1 and made:
        return cards.armed(made[0], app.alerts.words, app.clock.now())
    return _copies(rule_id, made, problems, args, app)


def _coins(words: Sequence[str]) -> list[str]:
    """`eth sol`, `eth, sol`: each name once."""
    names = [each for word in words for each in word.split(",") if each]
    return list(dict.fromkeys(names))[:MOST_COPIES]


def _copies(
    rule_id: int,
    made: Sequence[View],
    problems: Sequence[tuple[str, UserError]],
    args: Args,
    app: App,
) -> Reply:
    words = app.alerts.words
    told = [f"#{each.rule.id} {words.sentence(each.rule)}" for each in made]
    open_ones = [error for _coin, error in problems if isinstance(error, CoinLevels)]
    for coin, error in problems:
        if isinstance(error, CoinLevels):
            told.append(f"{words.sentence(error.rule)}? ({error.moved})")
        else:
            told.append(f"{coin.upper()}: {error.text}")
    head = _("#{id} copied: {n} of {all}").format(
        id=rule_id, n=len(made), all=len(made) + len(problems)
    )
    said = []
    if made:
        said.append(_("levels are those of #{id}; change one with /alerts edit").format(id=rule_id))
    if open_ones:
        coin = open_ones[0].coins[0]
        head = head if made else _("#{id} is not copied yet").format(id=rule_id)
        said.append(
            _("a level of {coin} is carried by the price; nothing is armed before a tap").format(
                coin=coin
            )
        )
    arm = [_next(each, args, app) for each in open_ones]
    return Reply(
        card=Card(glyph="🔔", headline=head, reading="\n".join(told), evidence="; ".join(said)),
        data={"made": [each.rule.id for each in made], "problems": [coin for coin, _e in problems]},
        buttons=[*in_rows(arm), [Button(text=_("🔔 My alerts"), command="/alerts")]],
    )


def _next(found: CoinLevels, args: Args, app: App) -> Button:
    """A tap arms what was read just now, or shows each part of it first."""
    shows = wants_echo(kind_of(found.rule.kind), found.line.split()[1:], args, app)
    text = _("▶ Show {coin}") if shows else _("✅ Arm {coin}")
    return Button(text=text.format(coin=found.coins[1]), command=found.line)


def _card(found: Imported, app: App) -> Reply:
    told = [
        _("line {n}: {reason} ({text})").format(n=each.number, reason=each.reason, text=each.text)
        for each in found.problems[:SHOWN]
    ]
    more = len(found.problems) - SHOWN
    if more > 0:
        told.append(_("and {n} more").format(n=more))
    made = len(found.made)
    head = _("1 alert armed") if made == 1 else _("{n} alerts armed").format(n=made)
    if found.existed:
        there = len(found.existed)
        head += (
            _(", 1 was there already")
            if there == 1
            else _(", {n} were there already").format(n=there)
        )
    if found.problems:
        bad = len(found.problems)
        head += (
            _(", 1 line not understood")
            if bad == 1
            else _(", {n} lines not understood").format(n=bad)
        )
    return Reply(
        card=Card(glyph="🔔", headline=head, reading="\n".join(told)),
        data={
            "made": [rule.id for rule in found.made],
            "existed": [rule.id for rule in found.existed],
            "problems": [each.number for each in found.problems],
        },
        buttons=[[Button(text=_("🔔 My alerts"), command="/alerts")]],
    )
