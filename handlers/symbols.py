"""/symbols: what can be asked about."""

from collections import Counter

from handlers.app import App
from handlers.base import Args, Button, Card, Reply, command
from handlers.words import at_most
from market import format as fmt
from market.errors import UserError
from market.language import _
from market.types import EXCHANGE_NAMES, Reading

USAGE = "/symbols pepe"
SHOWN, LINES = 40, 12


@command("symbols", usage=USAGE, group="Desk")
async def symbols(args: Args, app: App) -> Reply:
    """Count the instruments of each venue, or find a coin."""
    at_most(args.words, 1, USAGE)
    if args.words:
        return _found(args.words[0], app)
    table = [f"{'':<13}{'spot':>6}{'perp':>6}"]
    figures: dict[str, Reading[float]] = {}
    total = 0
    for exchange in app.market.venues:
        kinds = Counter(i.perp for i in app.market.directory.all if i.exchange == exchange)
        name = EXCHANGE_NAMES[exchange]
        if not kinds:
            table.append(f"{name:<13}{'n/a':>12}")
            figures[f"instruments.{exchange}"] = Reading.missing(_("market list not loaded"))
            continue
        count = kinds[False] + kinds[True]
        total += count
        table.append(f"{name:<13}{kinds[False]:>6,}{kinds[True]:>6,}")
        figures[f"instruments.{exchange}"] = Reading(
            value=float(count), venues=(exchange,), n=count
        )
    coins = len(app.market.directory.bases())
    return Reply(
        card=Card(
            headline=_("{total} instruments, {coins} coins").format(
                total=f"{total:,}", coins=f"{coins:,}"
            ),
            table=table,
            reading=_("Find a coin: /symbols pepe"),
            evidence=_("market lists of the venues · observed"),
        ),
        figures=figures,
    )


def _found(text: str, app: App) -> Reply:
    """Coins that begin with `text`, then those that contain it, with where they trade."""
    wanted = text.lstrip("$").upper()
    bases = app.market.directory.bases()
    hits = [b for b in bases if b.startswith(wanted)] + [
        b for b in bases if wanted in b and not b.startswith(wanted)
    ]
    if not hits:
        near = app.market.directory.suggest(text)
        raise UserError(
            _("I know no coin like “{text}”.").format(text=text[:40]),
            "/symbols btc",
            [(base, f"/price {base}") for base in near],
        )
    first = hits[0]
    listed = app.market.directory.listed(first)
    rows = [[EXCHANGE_NAMES[i.exchange], i.symbol] for i in listed]
    more = [_("Also: {more}").format(more=", ".join(hits[1:SHOWN]))] if hits[1:] else []
    if len(rows) > LINES:
        more.insert(0, _("{n} of {all} shown.").format(n=LINES, all=len(rows)))
    return Reply(
        card=Card(
            headline=_("{coin}: {n} instruments").format(coin=first, n=len(rows)),
            table=fmt.table(rows[:LINES], "lr"),
            reading="\n".join(more),
            evidence=_("market lists of the venues · observed"),
        ),
        buttons=[[Button(text=base, command=f"/price {base}") for base in hits[:3]]],
        data={"coins": hits},
    )
