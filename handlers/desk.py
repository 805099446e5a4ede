"""/start, /help, /settings: the front door."""

from dataclasses import replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from handlers.app import App
from handlers.base import COMMANDS, Args, Button, Card, Command, Reply, command
from handlers.loudness import page
from handlers.types import Preferences, Role
from handlers.words import at_most
from market.errors import UserError
from market.language import _
from market.types import EXCHANGE_NAMES, EXCHANGES

TOUR = (
    ("💰 BTC price", "/price btc"),
    ("🏆 Top perps", "/top10 perps"),
    ("🌊 CVD", "/cvd BTC 4h"),
    ("💥 Liq. map", "/liqmap ETH"),
    ("🔔 Alert", "/alert_volume BTC 200 15m"),
)


@command("start", usage="/start", group="Desk", menu=False)
async def start(args: Args, app: App) -> Reply:
    """Say what this is and what to try first."""
    mark = _(" over a simulated market") if app.mark.startswith("SIM") else ""
    card = Card(
        headline=_("Tidemark: a trading desk in this chat"),
        reading=_(
            "Prices, flow, open interest, funding and liquidation levels of {venues}{mark}. "
            "Every figure says where it comes from and how old it is. Try one:"
        ).format(venues=_venues(app), mark=mark),
        evidence=_("/help lists every command"),
    )
    return Reply(card=card, buttons=_tour_buttons())


def _tour_buttons() -> list[list[Button]]:
    buttons = [Button(text=text, command=line) for text, line in TOUR]
    return [buttons[:2], buttons[2:4], buttons[4:]]


def _venues(app: App) -> str:
    return ", ".join(EXCHANGE_NAMES[name] for name in app.market.venues)


@command("help", usage="/help cvd", group="Desk")
async def help_(args: Args, app: App) -> Reply:
    """List the commands, or explain one."""
    at_most(args.words, 1, "/help cvd")
    name = args.word(0).lstrip("/").lower().replace("-", "_")
    if name:
        entry = COMMANDS.get(name)
        if entry is None:
            raise UserError(_("There is no command “{name}”.").format(name=name[:40]), "/help")
        return _explain(entry)
    lines: list[str] = []
    groups: dict[str, list[Command]] = {}
    for entry in dict.fromkeys(COMMANDS.values()):
        if entry.role <= args.person.role:
            groups.setdefault(entry.group, []).append(entry)
    for group, entries in groups.items():
        lines += ["", _(group)]
        lines += [f"{entry.usage} — {_(entry.summary)}" for entry in entries]
    text = "\n".join(
        [
            _(
                "A coin is BTC, $btc, BTC/USDT (spot), BTC-PERP or BTCUSDT (perp), binance:btc (one venue)."
            ),
            *lines,
            "",
            _(
                "Hyphens work too: /alert-volume is /alert_volume. Nothing here is investment advice."
            ),
        ]
    )
    return Reply(text=text)


def _explain(entry: Command) -> Reply:
    hyphen = entry.name.replace("_", "-")
    also = [f"/{alias}" for alias in entry.aliases] + (
        [f"/{hyphen}"] if hyphen != entry.name else []
    )
    lines = [f"{_(entry.summary)}", _("Example: {usage}").format(usage=entry.usage)]
    if also:
        lines.append(_("Also: {names}").format(names=" ".join(also)))
    lines.append(_("Needs the role: {role}").format(role=entry.role.name.lower()))
    return Reply(
        card=Card(headline=f"/{entry.name}", reading="\n".join(lines)),
        buttons=[[Button(text=entry.usage, command=entry.usage)]],
    )


@command(
    "settings", usage="/settings zone Europe/Berlin", role=Role.VIEWER, changes=True, group="Desk"
)
async def settings(args: Args, app: App) -> Reply:
    """Show or change this chat's time zone, quote unit and default venue; `alerts` shows how loud it is."""
    preferences = args.preferences
    if [word.lower() for word in args.words] == ["alerts"]:
        return await page(args, app)
    if args.words:
        preferences = changed(preferences, args.words)
        await app.people.save_preferences(args.chat.chat_id, preferences, app.wall.now())
    return _settings_card(preferences, saved=bool(args.words))


def changed(preferences: Preferences, words: tuple[str, ...]) -> Preferences:
    """`preferences` with the one named in `words` set; UserError when the name or value is not known."""
    at_most(words, 2, "/settings zone Europe/Berlin")
    name, value = words[0].lower(), words[1] if len(words) > 1 else ""
    if name == "zone":
        return _replaced(preferences, zone=_zone(value))
    if name == "unit":
        if value.lower() not in ("usd", "coin"):
            raise UserError(_("The unit is usd or coin."), "/settings unit coin")
        return _replaced(preferences, unit=value.lower())
    if name in ("venue", "exchange"):
        if value.lower() not in EXCHANGES:
            raise UserError(
                _("The venue is one of {names}.").format(names=", ".join(EXCHANGES)),
                "/settings venue bybit",
            )
        return _replaced(preferences, exchange=value.lower())
    raise UserError(
        _("I know the settings zone, unit, venue and alerts."), "/settings zone Europe/Berlin"
    )


def _replaced(preferences: Preferences, **values: str) -> Preferences:
    return replace(preferences, **values)


def _zone(name: str) -> str:
    if not name:
        raise UserError(_("Which time zone?"), "/settings zone Europe/Berlin")
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UserError(
            _("“{name}” is no time zone I know.").format(name=name[:40]),
            "/settings zone Europe/Berlin",
        ) from None


def _settings_card(preferences: Preferences, *, saved: bool) -> Reply:
    table = [
        f"zone   {preferences.zone}"[:32],
        f"unit   {preferences.unit}",
        f"venue  {preferences.exchange}",
    ]
    other = "coin" if preferences.unit == "usd" else "usd"
    buttons = [
        [
            Button(
                text=_("Unit: {unit}").format(unit=other),
                command=f"/settings unit {other}",
                edit=True,
            )
        ],
        [
            Button(text=EXCHANGE_NAMES[name], command=f"/settings venue {name}", edit=True)
            for name in EXCHANGES
            if name not in (preferences.exchange, "coinbase")
        ],
        [Button(text=_("🔔 Alerts: how loud"), command="/settings alerts", edit=True)],
    ]
    return Reply(
        card=Card(
            headline=_("Settings saved") if saved else _("Settings of this chat"),
            table=table,
            reading=_("Change one: /settings zone Europe/Berlin"),
        ),
        buttons=buttons,
    )
