"""/alert, /alert_volume, /alert_oi, /alert_cvd, /alerts, and the buttons under their cards."""

from collections.abc import Sequence

from alerts.kinds import KINDS, kind_of
from alerts.service import Asker, View
from alerts.types import AlertRule, Rise, RuleStatus
from analytics.indicators import atr
from exchanges.hub import settle
from handlers import alert_cards as cards
from handlers.app import App
from handlers.base import Args, Button, Reply, action, command
from handlers.types import Role
from market import format as fmt
from market.errors import SourceError, UserError
from market.language import _

GROUP = "Alerts"
PRICE, VOLUME, OI, CVD = (kind_of(name).usage for name in ("price", "volume", "oi", "cvd"))
NUDGE = 0.02  # of the price: how far away the levels of the preset buttons are


@command(
    "alert", usage=PRICE, role=Role.ALERTER, aliases=("alert_price",), changes=True, group=GROUP
)
async def alert(args: Args, app: App) -> Reply:
    """Tell when a price crosses a level (above, below), or while it is beyond (> <)."""
    if not args.words:
        return cards.usage(KINDS, await _presets(args, app, "BTC"))
    if len(args.words) == 1:
        return await _offers(args, app, args.words[0])
    return await _create("price", args, app)


@command("alert_volume", usage=VOLUME, role=Role.ALERTER, changes=True, group=GROUP)
async def alert_volume(args: Args, app: App) -> Reply:
    """Tell when a candle's volume exceeds a percent of its average."""
    return await _create("volume", args, app)


@command("alert_oi", usage=OI, role=Role.ALERTER, changes=True, group=GROUP)
async def alert_oi(args: Args, app: App) -> Reply:
    """Tell when open interest crosses a level, or changes by so much within a window."""
    return await _create("oi", args, app)


@command("alert_cvd", usage=CVD, role=Role.ALERTER, changes=True, group=GROUP)
async def alert_cvd(args: Args, app: App) -> Reply:
    """Tell when the cumulative volume delta turns negative or positive."""
    return await _create("cvd", args, app)


@command("alerts", usage="/alerts", group=GROUP)
async def alerts(args: Args, app: App) -> Reply:
    """List this chat's alerts, the closest to firing first."""
    word = args.word(0, "1")
    if not (word.isascii() and word.isdecimal() and len(args.words) <= 1):
        raise UserError(_("A page is a number."), "/alerts 2")
    views = await app.alerts.of_chat(args.chat.chat_id)
    return cards.listing(views, app.alerts.words, int(word[:4]), await _bars(app, views))


async def _create(kind: str, args: Args, app: App) -> Reply:
    if not args.words:
        return cards.usage([kind_of(kind)])
    view = await app.alerts.create(
        kind,
        args.words,
        _asker(args),
        exchange=args.preferences.exchange,
        thread_id=args.thread_id,
        update_id=args.update_id,
    )
    return cards.armed(view, app.alerts.words, app.clock.now())


async def _presets(args: Args, app: App, coin: str) -> list[Button]:
    """Two levels around the price of a coin; none where it is not known."""
    instrument = app.market.one(
        coin, default_exchange=args.preferences.exchange, command="/alert {}"
    )
    try:
        last = (await app.market.ticker(instrument)).last
    except SourceError:
        return []
    levels = (("above", last * (1 + NUDGE)), ("below", last * (1 - NUDGE)))
    return [
        Button(
            text=f"{instrument.base} {_(word)} {fmt.significant(level, 3)}",
            command=f"/alert {coin} {word} {fmt.significant(level, 3).replace(',', '')}",
        )
        for word, level in levels
    ]


async def _offers(args: Args, app: App, coin: str) -> Reply:
    """What can be watched of one coin, each a tap away."""
    presets = await _presets(args, app, coin)
    others = [
        Button(text=_("Volume 200 %"), command=f"/alert_volume {coin} 200 15m"),
        Button(text=_("OI +5 %"), command=f"/alert_oi {coin} +5% 1h"),
        Button(text=_("CVD turns"), command=f"/alert_cvd {coin} negative"),
    ]
    return cards.offers(coin, presets, others)


async def _bars(app: App, views: Sequence[View]) -> dict[int, float]:
    """How many typical days (ATR of 14 days) each price is from its level."""
    priced = [
        v for v in views
        if v.rule.kind == "price" and v.sample is not None and v.rule.status is RuleStatus.ACTIVE
    ]  # fmt: skip
    keys = {v.rule.condition.metric.subject for v in priced}
    listed = {key: app.market.directory.by_key(key) for key in keys}
    days, _errors = await settle(
        {key: app.market.candles(i, "1d", 40) for key, i in listed.items() if i is not None}
    )
    ranges = {key: atr([c for c in candles if c.closed])[-1:] for key, candles in days.items()}
    bars: dict[int, float] = {}
    for view in priced:
        condition = view.rule.condition
        size = next(iter(ranges.get(condition.metric.subject, [])), None)
        if size and view.sample is not None and not isinstance(condition, Rise):
            bars[view.rule.id] = abs(condition.level - view.sample.value) / size
    return bars


def _asker(args: Args) -> Asker:
    return Asker(
        chat_id=args.chat.chat_id,
        user_id=args.person.user_id,
        admin=args.person.role >= Role.ADMIN,
    )


def _ids(words: Sequence[str]) -> list[int]:
    """Numbers of alerts; none for `all`."""
    if list(words) == ["all"]:
        return []
    ids = [int(word) for word in words if word.isascii() and word.isdecimal() and len(word) < 18]
    if not ids or len(ids) != len(words):
        raise UserError(_("Which alert?"), "/alerts")
    return ids


def _id(args: Args) -> int:
    """The one alert that is meant."""
    ids = _ids(args.words)
    if len(ids) != 1:
        raise UserError(_("Which alert?"), "/alerts")
    return ids[0]


@action("alert:show", role=Role.VIEWER)
async def show(args: Args, app: App) -> Reply:
    """Show one alert with what can be done about it."""
    view = await app.alerts.view(_id(args), _asker(args))
    return cards.one(view, app.alerts.words, app.clock.now())


@action("alert:pause", role=Role.ALERTER, changes=True)
async def pause(args: Args, app: App) -> Reply:
    """Stop looking at an alert, or at all of the presser's."""
    ids = _ids(args.words)
    rules = await app.alerts.pause(ids, _asker(args))
    return await _after(args, app, ids, rules, _("{names} paused"))


@action("alert:mute", role=Role.ALERTER, changes=True)
async def mute(args: Args, app: App) -> Reply:
    """Pause the alert that has just fired, and leave its message as it is."""
    rules = await app.alerts.pause([_id(args)], _asker(args))
    text = _("#{id} is paused; /alerts brings it back.") if rules else _("#{id} is not active.")
    return Reply(toast=text.format(id=_id(args)))


@action("alert:resume", role=Role.ALERTER, changes=True)
async def resume(args: Args, app: App) -> Reply:
    """Look again, from now on."""
    ids = _ids(args.words)
    rules = await app.alerts.resume(ids, _asker(args))
    return await _after(args, app, ids, rules, _("{names} armed again"))


async def _after(
    args: Args, app: App, ids: Sequence[int], rules: Sequence[AlertRule], text: str
) -> Reply:
    """The card of the one alert, or a word about several."""
    if len(ids) == 1:
        view = await app.alerts.view(ids[0], _asker(args))
        return cards.one(view, app.alerts.words, app.clock.now())
    return cards.changed(rules, text, app.alerts.words)


@action("alert:delete", role=Role.ALERTER, changes=True)
async def delete(args: Args, app: App) -> Reply:
    """Delete an alert, or all of the presser's; it can be undone for a minute."""
    rules = await app.alerts.delete(_ids(args.words), _asker(args))
    value = " ".join([str(app.wall.now()), *(str(rule.id) for rule in rules)])
    back = Button(text=_("↩️ Undo (60 s)"), action="alert:undo", value=value)
    return cards.changed(rules, _("{names} deleted"), app.alerts.words, back)


@action("alert:undo", role=Role.ALERTER, changes=True)
async def undo(args: Args, app: App) -> Reply:
    """Bring back what was deleted."""
    numbers = _ids(args.words)
    if len(numbers) < 2:
        raise UserError(_("Which alert?"), "/alerts")
    rules = await app.alerts.undo(numbers[0], numbers[1:], _asker(args))
    return cards.changed(rules, _("{names} back"), app.alerts.words)


@action("alert:tighter", role=Role.ALERTER, changes=True)
async def tighter(args: Args, app: App) -> Reply:
    """The same alert a step harder to meet."""
    return await _adjust(args, app, tighter=True)


@action("alert:looser", role=Role.ALERTER, changes=True)
async def looser(args: Args, app: App) -> Reply:
    """The same alert a step easier to meet."""
    return await _adjust(args, app, tighter=False)


async def _adjust(args: Args, app: App, *, tighter: bool) -> Reply:
    view = await app.alerts.adjust(
        _id(args),
        _asker(args),
        tighter=tighter,
        exchange=args.preferences.exchange,
        update_id=args.update_id,
    )
    return cards.armed(view, app.alerts.words, app.clock.now())
