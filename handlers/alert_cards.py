"""How alerts look: the armed card, the list, one alert, and what stands in for them when nothing was typed."""

from collections.abc import Mapping, Sequence

from alerts.describe import Words
from alerts.kinds import KINDS
from alerts.kinds.words import Kind
from alerts.service import LIMIT, View
from alerts.types import AlertRule, Cross, Op, Rise, RuleStatus
from handlers.base import Button, Card, Reply
from market import format as fmt
from market.language import _
from market.types import DAY, Reading

PAGE = 12  # alerts on one card


def armed(view: View, words: Words, now: int) -> Reply:
    """What was understood, where it stands now, and when it fires."""
    rule = view.rule
    text = _("#{id} is armed already") if view.existed else _("#{id} armed")
    return Reply(
        card=Card(
            glyph="🔔",
            headline=text.format(id=rule.id),
            reading="\n".join(_lines(view, words)),
            evidence=_evidence(view, words, now),
        ),
        figures=figures(view),
        data={"alert": rule.id, "text": rule.text},
        buttons=[
            [
                Button(text=_("Tighter"), action="alert:tighter", value=str(rule.id)),
                Button(text=_("Looser"), action="alert:looser", value=str(rule.id)),
                Button(text=_("✖ Undo"), action="alert:delete", value=str(rule.id)),
            ],
            [Button(text=_("🔔 My alerts"), command="/alerts")],
        ],
    )


def _lines(view: View, words: Words) -> list[str]:
    rule, metric = view.rule, view.rule.condition.metric
    lines = [words.sentence(rule), words.where(metric)]
    if view.sample is None:
        why = view.problem or _("no data")
        lines.append(_("now n/a ({why}); the first figure shows the side").format(why=why))
        return lines
    now = [_("now {value}").format(value=view.progress.now)]
    if not view.progress.met and metric.name in ("price", "open_interest", "open_interest_usd"):
        now.append(_distance(view))
    lines.append(fmt.SEPARATOR.join(part for part in now if part))
    if view.progress.met:
        lines.append(_met(rule))
    if view.rehearsal is not None:
        lines.append(_rehearsed(view))
    return lines


def _distance(view: View) -> str:
    if isinstance(view.rule.condition, Rise):
        return view.progress.note
    return _("{distance} to go").format(distance=view.progress.note)


def _met(rule: AlertRule) -> str:
    condition = rule.condition
    if isinstance(condition, Rise):
        return _("already so; measured from now on")
    side = _("below") if condition.op is Op.BELOW else _("above")
    if rule.kind == "cvd":
        side = _("negative") if condition.op is Op.BELOW else _("positive")
    if isinstance(condition, Cross):
        return _("already {side}; fires at the next crossing").format(side=side)
    return _("true now: fires at the next look")


def _rehearsed(view: View) -> str:
    found = view.rehearsal
    if found is None:
        return ""
    span = fmt.duration(round(found.span / DAY) * DAY) if found.span >= DAY else fmt.age(found.span)
    gap = "" if found.gap is None else _(" (median gap {gap})").format(gap=fmt.age(found.gap))
    return _("would have fired {n} times in {span}{gap}").format(n=found.count, span=span, gap=gap)


def _evidence(view: View, words: Words, now: int) -> str:
    parts = [words.rhythm(view.rule)]
    if view.sample is not None:
        parts.append(fmt.age(now - view.sample.ts))
        reading = view.sample.reading
        if reading is not None and view.rule.condition.metric.subject.startswith("*"):
            parts.append(fmt.venues(reading.venues))
        parts.append(_("observed"))
    if view.active:
        parts.append(_("{n}/{limit} alerts").format(n=view.active, limit=LIMIT))
    return fmt.SEPARATOR.join(part for part in parts if part)


def figures(view: View) -> dict[str, Reading[float]]:
    """`now` and `level`, unrounded."""
    condition = view.rule.condition
    level = condition.amount if isinstance(condition, Rise) else condition.level
    found = {"level": Reading(value=level, as_of=view.rule.created_ts)}
    if view.sample is None:
        return found | {"now": Reading[float].missing(view.problem or _("no data"))}
    venues = view.sample.reading.venues if view.sample.reading else ()
    return found | {"now": Reading(value=view.sample.value, as_of=view.sample.ts, venues=venues)}


def listing(views: Sequence[View], words: Words, page: int, bars: Mapping[int, float]) -> Reply:
    """The list, grouped by coin; `bars` says by alert how many typical days its level is away."""
    active = sum(view.rule.status is RuleStatus.ACTIVE for view in views)
    pages = max(1, -(-len(views) // PAGE))
    page = min(max(1, page), pages)
    shown = views[(page - 1) * PAGE : page * PAGE]
    if not views:
        return Reply(
            card=Card(
                glyph="🔔", headline=_("No alerts yet"), reading=_("Make one: /alert BTC above 95k")
            ),
            buttons=[[Button(text=_("＋ New"), command="/alert")]],  # noqa: RUF001
        )
    return Reply(
        card=Card(
            headline=_("Alerts {n}/{limit} · closest first").format(n=active, limit=LIMIT),
            table=_table(shown, words, bars),
            evidence=_("page {page} of {pages}").format(page=page, pages=pages)
            if pages > 1
            else "",
        ),
        figures={f"{v.rule.id}.now": figures(v)["now"] for v in shown},
        data={"alerts": [v.rule.id for v in views]},
        buttons=_list_buttons(shown, page, pages),
    )


def _list_buttons(shown: Sequence[View], page: int, pages: int) -> list[list[Button]]:
    each = [Button(text=str(v.rule.id), action="alert:show", value=str(v.rule.id)) for v in shown]
    rows = [each[i : i + 4] for i in range(0, len(each), 4)]
    more = [Button(text=_("＋ New"), command="/alert")]  # noqa: RUF001
    if page < pages:
        more.append(Button(text=_("▶ More"), command=f"/alerts {page + 1}", edit=True))
    if page > 1:
        more.append(Button(text=_("◀ Back"), command=f"/alerts {page - 1}", edit=True))
    whole = [
        Button(text=_("⏸ Pause all"), action="alert:pause", value="all"),
        Button(text=_("▶️ Resume all"), action="alert:resume", value="all"),
        Button(text=_("✖ Delete all"), action="alert:delete", value="all", style="danger"),
    ]
    return [*rows, more, whole]


def _table(shown: Sequence[View], words: Words, bars: Mapping[int, float]) -> list[str]:
    lines: list[str] = []
    for coin in dict.fromkeys(view.rule.coin for view in shown):
        group = [view for view in shown if view.rule.coin == coin]
        price = next(
            (v.progress.now for v in group if v.rule.kind == "price" and v.sample is not None), ""
        )
        lines.append(f"{coin}  {price}".rstrip())
        for view in group:
            lines += _row(f" {view.rule.id} {words.short(view.rule)}", _note(view, bars))
    return lines


def _note(view: View, bars: Mapping[int, float]) -> str:
    rule = view.rule
    if rule.status is RuleStatus.PAUSED:
        return _("PAUSED")
    if view.progress.met and not view.state.armed and not isinstance(rule.condition, Rise):
        return (
            _("{note} fired").format(note=view.progress.note)
            if view.state.fired_count
            else _("beyond")
        )
    if rule.id in bars:
        return f"{view.progress.note} {bars[rule.id]:.1f}{_('bar')}"
    return view.progress.note


def _row(left: str, right: str) -> list[str]:
    """One line, or two where one is too narrow: nothing is cut off."""
    room = fmt.COLUMNS - fmt.columns_of(left) - fmt.columns_of(right)
    if room >= 1:
        return [left + " " * room + right]
    return [left[: fmt.COLUMNS], right.rjust(fmt.COLUMNS)]


def one(view: View, words: Words, now: int) -> Reply:
    """One alert, and what can be done with it."""
    rule = view.rule
    active = rule.status is RuleStatus.ACTIVE
    state = {
        RuleStatus.ACTIVE: _("armed"),
        RuleStatus.PAUSED: _("paused"),
        RuleStatus.DONE: _("has fired, and was to fire once"),
    }.get(rule.status, str(rule.status))
    if rule.paused_reason:
        state = f"{state} ({_(rule.paused_reason)})"
    lines = _lines(view, words)
    if view.state.fired_count:
        lines.append(
            _("fired {n} times, last at {at}").format(
                n=view.state.fired_count, at=fmt.utc(view.state.fired_ts, now)
            )
        )
    value = str(rule.id)
    toggle = (
        Button(text=_("⏸ Pause"), action="alert:pause", value=value)
        if active
        else Button(text=_("▶️ Resume"), action="alert:resume", value=value)
    )
    return Reply(
        card=Card(
            glyph="🔔",
            headline=_("#{id} {state}").format(id=rule.id, state=state),
            reading="\n".join(lines),
            evidence=_evidence(view, words, now),
        ),
        figures=figures(view),
        data={"alert": rule.id, "text": rule.text},
        buttons=[
            [
                toggle,
                Button(text=_("Tighter"), action="alert:tighter", value=value),
                Button(text=_("Looser"), action="alert:looser", value=value),
            ],
            [
                Button(text=_("✖ Delete"), action="alert:delete", value=value, style="danger"),
                Button(text=_("🔔 My alerts"), command="/alerts", edit=True),
            ],
        ],
    )


def usage(kinds: Sequence[Kind], presets: Sequence[Button] = ()) -> Reply:
    """What can be watched, for a command that was sent bare."""
    lines = []
    for kind in kinds:
        lines += [kind.usage, f"  {_(kind.meaning)}"]
    if len(kinds) == 1:
        rows = [[Button(text=each, command=each)] for each in kinds[0].examples]
        if presets:
            rows = [list(presets)]
    else:
        others = [k for k in KINDS if k.name != "price"]
        rows = [
            list(presets),
            [Button(text=f"/alert_{k.name}", command=f"/alert_{k.name}") for k in others],
        ]
    return Reply(
        card=Card(
            glyph="🔔",
            headline=_("What shall I watch?"),
            reading="\n".join(lines),
            evidence=_("add “once” to hear of it a single time"),
        ),
        buttons=[
            *[row for row in rows if row],
            [Button(text=_("🔔 My alerts"), command="/alerts")],
        ],
    )


def offers(coin: str, presets: Sequence[Button], others: Sequence[Button]) -> Reply:
    """What to watch of one coin, for a command that names nothing else."""
    example = presets[0].command if presets else "/alert BTC above 95k"
    return Reply(
        card=Card(
            glyph="🔔",
            headline=_("What shall I watch of {coin}?").format(coin=coin.upper()),
            reading=_("Tap one, or write a level: {example}").format(example=example),
        ),
        buttons=[
            *[list(row) for row in (presets, others) if row],
            [Button(text=_("🔔 My alerts"), command="/alerts")],
        ],
    )


def changed(
    rules: Sequence[AlertRule], text: str, words: Words, undo: Button | None = None
) -> Reply:
    """What became of one alert, or of several."""
    names = ", ".join(f"#{rule.id}" for rule in rules[:6])
    if len(rules) > 6:
        names += _(" and {n} more").format(n=len(rules) - 6)
    last = [Button(text=_("🔔 My alerts"), command="/alerts", edit=True)]
    return Reply(
        card=Card(
            headline=text.format(names=names) if rules else _("Nothing to change"),
            reading="\n".join(words.sentence(rule) for rule in rules[:6]),
        ),
        data={"alerts": [rule.id for rule in rules]},
        buttons=[[undo, *last] if undo and rules else last],
    )
