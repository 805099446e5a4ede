"""/scorecard: whether more follows an alert than follows any other moment of that time of day."""

from collections.abc import Sequence

from alerts.scorecard import Score, Scorecard
from alerts.scorecard_types import Tally
from alerts.types import AlertRule, RuleStatus
from analytics.followed import HORIZONS
from analytics.lift import ENOUGH, Lift, Share, Verdict
from handlers.app import App
from handlers.base import Args, Button, Card, Reply, command
from handlers.words import at_most
from market import format as fmt
from market.errors import UserError
from market.language import _
from market.types import HOUR, Reading

USAGE = "/scorecard 412"
SHOWN = 8  # rules on a card
NULL = "Chance alone: 50 %."


@command("scorecard", usage=USAGE, aliases=("scores",), group="Alerts")
async def scorecard(args: Args, app: App) -> Reply:
    """Show what followed the alerts of this chat: of all, of one number, coin or kind."""
    at_most(args.words, 1, USAGE)
    if app.scorecard is None:
        raise UserError(_("Scores are not kept here."), "/alerts")
    every = await app.scorecard.of_chat(args.chat.chat_id)
    if not args.words:
        return await _all(every, app.scorecard)
    word = args.words[0]
    if word.lstrip("#").isdigit():
        return await _one(every, int(word.lstrip("#")), app.scorecard)
    return await _some(every, word, app.scorecard)


async def _all(every: Sequence[tuple[AlertRule, Tally]], scores: Scorecard) -> Reply:
    """A line for each rule that was measured, the most first."""
    measured = [rule for rule, tally in every if tally.measured][:SHOWN]
    if not measured:
        waiting = sum(tally.waiting for _rule, tally in every)
        return Reply(
            card=Card(
                headline=_("Nothing measured yet"),
                reading=_(
                    "Each alert that is told is measured 15 m, 1 h and 4 h later and compared with "
                    "the same time of other days."
                ),
                evidence=_waiting(waiting),
            ),
            buttons=[[Button(text=_("🔔 Alerts"), command="/alerts")]],
        )
    found = [(rule, await scores.of_rule(rule)) for rule in measured]
    rows = [[_("after 1 h"), _("beats"), "95%", "n"], *(_row(rule, s) for rule, s in found)]
    telling = sum(score.verdict is Verdict.MORE for _rule, score in found)
    more = len([1 for _rule, tally in every if tally.measured]) - len(measured)
    reading = [
        _null(),
        _("Each line stands alone: among 40 without skill one looks as if it had some."),
    ]
    if more > 0:
        reading.append(_("{n} more with fewer measurements.").format(n=more))
    useless = [rule for rule, score in found if score.useless and _is_active(rule)]
    return Reply(
        card=Card(
            headline=_telling(telling, len(found)),
            table=fmt.table(rows, "lrrr"),
            reading=" ".join(reading),
            evidence=_evidence([lift for _rule, score in found for lift in score.lifts]),
        ),
        buttons=[
            *_threes([Button(text=f"#{rule.id}", command=f"/scorecard {rule.id}") for rule in measured]),
            *_threes([_mute(rule) for rule in useless]),
        ],
        data={"rules": {str(rule.id): _data(score) for rule, score in found}},
    )  # fmt: skip


def _waiting(count: int) -> str:
    if not count:
        return _("nothing was told that could be measured")
    text = _("1 measurement is waiting for its time")
    return text if count == 1 else _("{n} measurements are waiting for their time").format(n=count)


def _telling(count: int, every: int) -> str:
    if not count:
        return _("No alert here beats chance so far")
    text = _("1 of {all} alerts moves the market more than usual")
    if count > 1:
        text = _("{n} of {all} alerts move the market more than usual")
    return text.format(n=count, all=every)


def _row(rule: AlertRule, score: Score) -> list[str]:
    name = f"#{rule.id} {rule.coin}"
    lift = next((each for each in score.lifts if each.horizon == HOUR), None)
    if lift is None:
        return [name, fmt.NOT_KNOWN, "", str(score.tally.measured)]
    if lift.size.verdict is Verdict.FEW:
        return [name, _("few"), "", str(lift.windows)]
    return [name, _share(lift.size), _range(lift.size), str(lift.windows)]


async def _one(every: Sequence[tuple[AlertRule, Tally]], rule_id: int, scores: Scorecard) -> Reply:
    rule = next((rule for rule, _tally in every if rule.id == rule_id), None)
    if rule is None:
        raise UserError(_("There is no alert #{id} here.").format(id=rule_id), "/alerts")
    score = await scores.of_rule(rule)
    buttons = [Button(text=f"🔔 #{rule.id}", action="alert:show", value=str(rule.id))]
    if score.useless and _is_active(rule):
        buttons.append(_mute(rule))
    return _card(f"#{rule.id} {rule.coin} {rule.kind}", score, buttons)


async def _some(every: Sequence[tuple[AlertRule, Tally]], word: str, scores: Scorecard) -> Reply:
    """All rules of a coin, or of a kind, together."""
    kind = word.lower().removeprefix("/").removeprefix("alert_").removeprefix("alert-")
    rules = [rule for rule, _tally in every if kind in (rule.kind, rule.coin.lower())]
    if not rules:
        coins = sorted({rule.coin for rule, _tally in every if rule.coin})
        raise UserError(
            _("No alert of this chat is about “{word}”.").format(word=word[:24]),
            USAGE,
            [(coin, f"/scorecard {coin}") for coin in coins[:3]],
        )
    if len(rules) == 1:
        return await _one(every, rules[0].id, scores)
    score = await scores.of_rules(rules)
    name = _("{n} alerts on {word}").format(n=len(rules), word=word[:16])
    return _card(name, score, [Button(text=_("📋 All"), command="/scorecard")])


def _card(name: str, score: Score, buttons: Sequence[Button]) -> Reply:
    """What followed within each horizon, either way and in the way the rule looks."""
    tally = score.tally
    rows = [[_("after"), _("moved"), _("usual"), _("beats"), "95%"]]
    rows += [_size_row(lift) for lift in score.lifts]
    aimed = [row for row in map(_way_row, score.lifts) if row]
    if aimed:
        rows += [[_("way"), "", "", "", ""], *aimed]
    missing = []
    if tally.waiting:
        missing.append(_("{n} still to be measured").format(n=tally.waiting))
    if tally.failed:
        missing.append(_("{n} could not be measured").format(n=tally.failed))
    return Reply(
        card=Card(
            headline=f"{name}: {_finding(score)}",
            table=fmt.table(rows, "lrrrr") if score.lifts else (),
            reading=" ".join([_meaning(score), *(f"{each}." for each in missing)]),
            evidence=_evidence(score.lifts),
        ),
        buttons=[list(buttons)],
        figures=_figures(score.lifts),
        data=_data(score),
    )


def _finding(score: Score) -> str:
    """What may be said, and no more."""
    strong = [
        (lift, share) for lift in score.lifts for share in (lift.size, lift.toward)
        if share is not None and share.verdict is Verdict.MORE
    ]  # fmt: skip
    if strong:
        lift, share = max(strong, key=lambda each: each[1].low)
        after = fmt.duration(lift.horizon)
        if share is lift.toward:
            return _("goes its way more than usual within {after}").format(after=after)
        return _("moves more than usual within {after}").format(after=after)
    if score.verdict is Verdict.LESS:
        return _("moves less than usual")
    if score.verdict is Verdict.FEW:
        return _("not enough to say")
    return _("no more than chance so far")


def _meaning(score: Score) -> str:
    windows = max((lift.windows for lift in score.lifts), default=0)
    if not score.lifts:
        return _("No measured firing has enough days before it to compare with.")
    if score.verdict is Verdict.FEW:
        return _(
            "n = {n}, and less than {enough} separate firings say nothing. {null}"
        ).format(n=windows, enough=ENOUGH, null=_null())  # fmt: skip
    text = _("Beats: how often it moved more than at the same time of other days. {null}")
    found = text.format(null=_null())
    if any(lift.toward is not None for lift in score.lifts):
        found += " " + _("Way: the same counted in the direction the alert looks.")
    if score.useless:
        found += " " + _("Even at its best it would beat that in less than two of three cases.")
    return found


def _null() -> str:
    return _(NULL)


def _size_row(lift: Lift) -> list[str]:
    return [
        _short(lift.horizon), _percent(lift.moved), _percent(lift.usual), _share(lift.size),
        _range(lift.size),
    ]  # fmt: skip


def _way_row(lift: Lift) -> list[str]:
    if lift.toward is None or lift.drift is None or lift.usual_drift is None:
        return []
    return [
        _short(lift.horizon), _percent(lift.drift, signed=True),
        _percent(lift.usual_drift, signed=True), _share(lift.toward), _range(lift.toward),
    ]  # fmt: skip


def _short(ms: int) -> str:
    return fmt.duration(ms).replace(" ", "")


def _percent(value: float, *, signed: bool = False) -> str:
    return fmt.percent(value, 2, signed=signed, tight=True)


def _share(share: Share) -> str:
    return fmt.percent(share.value, 0, signed=False, tight=True)


def _range(share: Share) -> str:
    return f"{share.low * 100:.0f}-{share.high * 100:.0f}"


def _evidence(lifts: Sequence[Lift]) -> str:
    """How many firings, how many of them stand alone, and what they are compared with."""
    parts = []
    if lifts:
        apart = sorted({min(lift.windows for lift in lifts), max(lift.windows for lift in lifts)})
        parts = [
            _("n {n}, {windows} do not overlap").format(
                n=max(lift.n for lift in lifts), windows=_(" to ").join(map(str, apart))
            ),
            _("against the same time of day ± 30 m, 30 days before"),
            _("95 % for all figures of an alert together"),
        ]
    return fmt.SEPARATOR.join([*parts, _("1m and 15m candles"), _("observed")])


def _figures(lifts: Sequence[Lift]) -> dict[str, Reading[float]]:
    """The numbers behind the card, unrounded."""
    found: dict[str, Reading[float]] = {}
    for lift in lifts:
        name = _short(lift.horizon)
        found[f"{name}.moved"] = Reading(value=lift.moved, n=lift.n, window=lift.horizon)
        found[f"{name}.usual"] = Reading(value=lift.usual, n=lift.controls, window=lift.horizon)
        for label, share in (("beats", lift.size), ("toward", lift.toward)):
            if share is not None:
                found[f"{name}.{label}"] = Reading(value=share.value, n=lift.windows)
                found[f"{name}.{label}.low"] = Reading(value=share.low, n=lift.windows)
                found[f"{name}.{label}.high"] = Reading(value=share.high, n=lift.windows)
    return found


def _data(score: Score) -> dict[str, object]:
    return {
        "verdict": str(score.verdict),
        "useless": score.useless,
        "measured": score.tally.measured,
        "horizons": [lift.horizon for lift in score.lifts if lift.horizon in HORIZONS],
    }


def _mute(rule: AlertRule) -> Button:
    return Button(text=_("🔕 Mute #{id}").format(id=rule.id), action="alert:mute", value=str(rule.id))  # fmt: skip


def _is_active(rule: AlertRule) -> bool:
    return rule.status is RuleStatus.ACTIVE


def _threes(buttons: Sequence[Button]) -> list[list[Button]]:
    return [list(buttons[i : i + 3]) for i in range(0, len(buttons), 3)]
