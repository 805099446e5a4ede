"""/monitor and /set: what the desk watches by itself, what it noticed, whom it tells, and from which thresholds on."""

from collections.abc import Sequence

from alerts.monitors.kinds import KIND_BY_NAME, KINDS
from alerts.monitors.kinds.base import OTHERS, Monitor
from alerts.monitors.service import MonitorService
from alerts.monitors.subscriptions import LIMIT
from alerts.monitors.types import EVERY, LEFT_OUT, MARKET, OFF, Fact
from alerts.monitors.words import level
from handlers.app import App
from handlers.base import Args, Button, Card, Reply, action, command
from handlers.types import Role
from market import format as fmt
from market.errors import UserError
from market.language import _
from market.types import DAY, Reading

GROUP = "Alerts"
SHOWN = 8  # facts on a card
NAMED = 6  # coins in a line
EXAMPLE, EXAMPLE_SET = "/monitor on BTC", "/set spike BTC 250"
MARKET_WORD = "market"


@command("monitor", usage=EXAMPLE, role=Role.ALERTER, aliases=("monitors",), changes=True, group=GROUP)  # fmt: skip
async def monitor(args: Args, app: App) -> Reply:
    """Show what is watched and what was noticed; `on` and `off` say what this chat hears of."""
    service = running(app)
    word = args.word(0).lower()
    if word in ("on", "off"):
        coins = _coins(args.words[1:], app, word)
        return await (_on if word == "on" else _off)(args, app, service, coins)
    if len(args.words) > 1:
        raise UserError(_("Say on or off, and which coins."), EXAMPLE)
    return await _card(args, app, service, _coins(args.words, app, "")[0] if args.words else "")


def running(app: App) -> MonitorService:
    """The monitors of this process; UserError where it has none."""
    if app.monitors is None:
        raise UserError(_("Monitors do not run here."), "/status")
    return app.monitors


def _coins(words: Sequence[str], app: App, verb: str) -> list[str]:
    """The coins that were typed, `MARKET` for the whole market, `*` for all."""
    found = []
    for word in words:
        if word.lower() in ("all", EVERY):
            found.append(EVERY)
        elif word.lower() == MARKET_WORD:
            found.append(MARKET)
        else:
            template = f"/monitor {verb} {{}}".replace("  ", " ")
            found.append(app.market.resolve(word, command=template).base)
    return list(dict.fromkeys(found))


async def _on(args: Args, app: App, service: MonitorService, coins: list[str]) -> Reply:
    chat, heard = args.chat.chat_id, service.subscriptions
    wanted = coins or [EVERY]
    for coin in wanted:
        if coin not in (EVERY, MARKET) and not any(
            i.perp for i in app.market.directory.listed(coin)
        ):
            raise UserError(_("{coin} has no perp to watch.").format(coin=coin), EXAMPLE)
    held = [c for c in heard.of_chat(chat) if not c.startswith(LEFT_OUT)]
    if len({*held, *wanted}) > LIMIT:
        raise UserError(
            _("A chat hears of {limit} coins at most; end one first.").format(limit=LIMIT),
            f"/monitor off {held[0]}" if held else "/monitor off",
        )
    new = await heard.on(chat, wanted, args.thread_id)
    await service.chosen()
    text = (
        _("Monitors tell this chat of {coins}") if new else _("This chat hears of {coins} already")
    )
    return Reply(
        card=Card(
            glyph="👁",
            headline=text.format(coins=_spoken(wanted)),
            reading=_("Notable moves come as messages; what counts as notable is under /set."),
            evidence=_watched(service),
        ),
        buttons=[
            [
                Button(text=_("Thresholds"), command="/set"),
                Button(text=_("✖ Undo"), action="monitor:off", value=" ".join(wanted)),
            ],
            [Button(text=_("👁 Monitors"), command="/monitor")],
        ],
        data={"coins": heard.of_chat(chat)},
    )


async def _off(args: Args, app: App, service: MonitorService, coins: list[str]) -> Reply:
    chat, heard = args.chat.chat_id, service.subscriptions
    gone = await heard.off(chat, coins)
    await service.chosen()
    if not gone:
        text = _("This chat heard nothing of it") if coins else _("This chat heard of nothing")
        return Reply(card=Card(glyph="👁", headline=text), data={"coins": heard.of_chat(chat)})
    back = " ".join(coin for coin in gone if not coin.startswith(LEFT_OUT))
    return Reply(
        card=Card(
            glyph="👁",
            headline=_("Monitors are silent here about {coins}").format(coins=_spoken(gone)),
            reading=_("They go on watching; /monitor shows what they notice."),
        ),
        buttons=[
            [
                Button(text=_("↩️ Undo"), action="monitor:on", value=back),
                Button(text=_("👁 Monitors"), command="/monitor"),
            ]
        ],
        data={"coins": heard.of_chat(chat)},
    )


async def _card(args: Args, app: App, service: MonitorService, coin: str) -> Reply:
    now, chat = app.clock.now(), args.chat.chat_id
    facts = [
        fact
        for fact in await service.facts(coin="" if coin == EVERY else coin, limit=200)
        if _concerns(service, chat, fact)
    ]
    heard = service.subscriptions.of_chat(chat)
    mine = [c for c in heard if not c.startswith(LEFT_OUT)]
    without = [c.removeprefix(LEFT_OUT) for c in heard if c.startswith(LEFT_OUT)]
    told = _("This chat hears of nothing yet.")
    if mine:
        told = _("This chat hears of {coins}.").format(coins=_spoken(mine))
    if without:
        told += " " + _("Not of {coins}.").format(coins=_spoken(without))
    name = "" if coin in ("", EVERY) else f"{_spoken([coin])} "
    head = _("{coin}{n} findings in 24 h").format(
        coin=name, n=len(facts) if len(facts) < 200 else "200+"
    )
    return Reply(
        card=Card(
            glyph="👁",
            headline=head if facts else _capital(_quiet(service, name, now)),
            table=_rows(facts[:SHOWN], now),
            reading=told,
            evidence=fmt.SEPARATOR.join(p for p in (_watched(service), _since(service, now)) if p),
            updated=now,
        ),
        buttons=_buttons(mine, coin),
        figures={
            f"facts.{fact.id}": Reading(value=fact.value, as_of=fact.ts, venues=fact.venues)
            for fact in facts[:SHOWN]
        },
        data={
            "coins": heard,
            "watched": [each.key for each in service.watch_list.instruments],
            "facts": [
                {"ts": f.ts, "kind": f.kind, "key": f.key, "text": f.text, "value": f.value, "threshold": f.threshold}
                for f in facts[:SHOWN]
            ],
        },
    )  # fmt: skip


def _quiet(service: MonitorService, name: str, now: int) -> str:
    """No finding says something only of the time that was watched."""
    if service.since is None:
        return _("{coin}not watched yet").format(coin=name)
    if now - service.since >= DAY:
        return _("{coin}nothing unusual in 24 h").format(coin=name)
    return _("{coin}nothing unusual since {at}").format(coin=name, at=fmt.utc(service.since, now))


def _since(service: MonitorService, now: int) -> str:
    return "" if service.since is None else _("since {at}").format(at=fmt.utc(service.since, now))


def _concerns(service: MonitorService, chat_id: int, fact: Fact) -> bool:
    """A fact at the threshold that holds for this chat; those at other chats' thresholds are theirs."""
    kind = KIND_BY_NAME.get(fact.kind)
    if kind is None:
        return True
    return service.subscriptions.threshold(chat_id, kind, fact.coin) == fact.threshold


def _rows(facts: Sequence[Fact], now: int) -> list[str]:
    """`14:02 BTC   whale print   $2.31M`."""
    rows = []
    for fact in facts:
        kind = KIND_BY_NAME.get(fact.kind)
        at = fmt.utc(fact.ts).split()[1]
        old = fmt.utc(fact.ts).split()[0] != fmt.utc(now).split()[0]
        when = f"{fmt.utc(fact.ts)[5:10]}" if old else at
        rows.append([when, fact.coin, kind.title if kind else fact.kind, _size(kind, fact)])
    return fmt.table(rows, "lllr")


def _size(kind: type[Monitor] | None, fact: Fact) -> str:
    return fmt.significant(fact.value, 3) if kind is None else kind.short(fact.value)


def _buttons(mine: Sequence[str], coin: str) -> list[list[Button]]:
    named = coin if coin not in ("", EVERY) else ""
    first = [Button(text=_("🔄 Refresh"), command=f"/monitor {named}".strip(), edit=True)]
    if named and named not in mine:
        text = _("🔔 {coin} on").format(coin=_spoken([named]))
        first.append(Button(text=text, action="monitor:on", value=named))
    elif EVERY not in mine:
        first.append(Button(text=_("🔔 All on"), action="monitor:on", value=EVERY))
    if mine:
        first.append(Button(text=_("🔕 All off"), action="monitor:off", value=""))
    return [first, [Button(text=_("Thresholds"), command="/set")]]


def _watched(service: MonitorService) -> str:
    """`watching 24 markets of 11 coins · 20 busiest perps, alerts, and coins named here`."""
    found = service.watch_list.instruments
    coins = {each.base for each in found}
    text = _("watching {n} markets of {coins} coins").format(n=len(found), coins=len(coins))
    return (
        text
        + fmt.SEPARATOR
        + _("the {n} busiest perps, what alerts need, coins somebody named").format(
            n=service.watch_list.size
        )
    )


def _spoken(coins: Sequence[str]) -> str:
    """`BTC, ETH and 3 more`; `*` and MARKET in words."""
    words = {EVERY: _("the whole watch list"), MARKET: _("the whole market's movers")}
    names = [words.get(coin, coin) for coin in coins]
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (_(" and {n} more").format(n=more) if more > 0 else "")


@action("monitor:on", role=Role.ALERTER, changes=True)
async def turn_on(args: Args, app: App) -> Reply:
    """Hear of coins from now on."""
    return await _on(args, app, running(app), _coins(args.words, app, "on"))


@action("monitor:off", role=Role.ALERTER, changes=True)
async def turn_off(args: Args, app: App) -> Reply:
    """Hear nothing more of coins."""
    return await _off(args, app, running(app), _coins(args.words, app, "off"))


@command("set", usage=EXAMPLE_SET, role=Role.ALERTER, changes=True, group=GROUP)
async def set_threshold(args: Args, app: App) -> Reply:
    """Choose from which threshold on monitors tell this chat; alone it lists them all."""
    service = running(app)
    if not args.words:
        return _listing(args, service)
    name = args.word(0).lower()
    kind = KIND_BY_NAME.get(name)
    if kind is None:
        known = ", ".join(KIND_BY_NAME)
        raise UserError(
            _("There is no monitor “{name}”; there are {known}.").format(name=name[:20], known=known),
            EXAMPLE_SET,
        )  # fmt: skip
    if len(args.words) == 1:
        return _about(args, service, kind)
    if len(args.words) > 3:
        raise UserError(_("Say a monitor, a coin and a number."), EXAMPLE_SET)
    coin = OTHERS if len(args.words) == 2 else _coin(args.word(1), app, kind)
    value = _value(args.words[-1], kind)
    await service.subscriptions.choose(args.chat.chat_id, kind.kind, coin, value)
    return _chosen(args, service, kind, coin)


def _coin(word: str, app: App, kind: type[Monitor]) -> str:
    if word.lower() in ("all", OTHERS):
        return OTHERS
    return app.market.resolve(word, command=f"/set {kind.kind} {{}} {kind.defaults[OTHERS]:g}").base


def _value(word: str, kind: type[Monitor]) -> float | None:
    """The threshold that was typed; None for the default."""
    if word.lower() == "off":
        return OFF
    if word.lower() in ("default", "reset", "on"):
        return None
    if not kind.unit:
        raise UserError(_("That one is only on or off."), f"/set {kind.kind} off")
    example = f"/set {kind.kind} BTC {kind.default('BTC'):g}"
    return fmt.number(word, above=kind.low, low=kind.low, high=kind.high, example=example)


def _chosen(args: Args, service: MonitorService, kind: type[Monitor], coin: str) -> Reply:
    chat = args.chat.chat_id
    now = service.subscriptions.threshold(chat, kind, coin)
    where = _("every coin") if coin == OTHERS else coin
    if now is None:
        head = _("{title} is off here for {coin}").format(title=kind.title, coin=where)
    else:
        head = _("{title} of {coin}: above {level}").format(
            title=kind.title, coin=where, level=level(kind.unit, now)
        )
    heard = bool(service.subscriptions.of_chat(chat))
    hint = "" if heard else _("This chat hears of no coin yet: {example}").format(example=EXAMPLE)
    return Reply(
        card=Card(glyph="👁", headline=_capital(head), reading=hint, evidence=kind.about),
        buttons=[[Button(text=_("Thresholds"), command="/set"), Button(text=_("👁 Monitors"), command="/monitor")]],
        data={"kind": kind.kind, "coin": coin, "threshold": now},
    )  # fmt: skip


def _listing(args: Args, service: MonitorService) -> Reply:
    """All kinds: for BTC, for coins without a threshold of their own, and what was chosen here."""
    chat = args.chat.chat_id
    chosen = service.subscriptions.chosen(chat)
    rows = [["", "BTC", _("others")]]
    for kind in KINDS:
        values = [service.subscriptions.threshold(chat, kind, coin) for coin in ("BTC", OTHERS)]
        rows.append([kind.kind, *(_("off") if v is None else kind.short_level(v) for v in values)])
    own = [_own(place, value) for place, value in sorted(chosen.items())]
    hint = _("/set spike BTC 250 changes one, off silences it, default takes it back.")
    return Reply(
        card=Card(
            glyph="👁",
            headline=_("Monitors and their thresholds"),
            table=fmt.table(rows),
            reading=_("Chosen here: {own}.").format(own=", ".join(own[:12])) if own else hint,
            evidence=_("a monitor tells when its figure rises above the threshold"),
        ),
        buttons=[
            [Button(text=kind.kind, command=f"/set {kind.kind}") for kind in KINDS[n : n + 3]]
            for n in range(0, len(KINDS), 3)
        ],
        data={"thresholds": {f"{k} {c}": v for (k, c), v in chosen.items()}},
    )


def _own(place: tuple[str, str], value: float) -> str:
    """`spike BTC 250 %`."""
    name, coin = place
    kind = KIND_BY_NAME.get(name)
    shown = _("off") if value == OFF else level(kind.unit if kind else "", value)
    return f"{name} {shown}" if coin == OTHERS else f"{name} {coin} {shown}"


def _about(args: Args, service: MonitorService, kind: type[Monitor]) -> Reply:
    rows = []
    for coin in [c for c in kind.defaults if c != OTHERS] + [OTHERS]:
        mine = service.subscriptions.threshold(args.chat.chat_id, kind, coin)
        name = _("others") if coin == OTHERS else coin
        rows.append([name, _("off") if mine is None else level(kind.unit, mine)])
    default = f"{kind.default('BTC'):g}"
    return Reply(
        card=Card(
            glyph="👁",
            headline=_capital(kind.title),
            table=fmt.table(rows),
            reading=_capital(kind.about) + ".",
            evidence=_("change it: {example}").format(example=f"/set {kind.kind} BTC {default}"),
        ),
        buttons=[
            [
                Button(text=_("Off"), command=f"/set {kind.kind} all off"),
                Button(text=_("Default"), command=f"/set {kind.kind} all default"),
                Button(text=_("Thresholds"), command="/set"),
            ]
        ],
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
