"""The list of a chat's alerts, what they told, and what is asked before all of them change."""

from collections.abc import Mapping, Sequence
from textwrap import wrap

from alerts.describe import Words
from alerts.lifecycle import CHAT_GONE, DELISTED, Phase
from alerts.service import View
from alerts.shown import why_not
from alerts.types import Firing, Rise, RuleStatus
from handlers.alert_cards import figures
from handlers.base import Button, Card, Reply
from market import format as fmt
from market.language import _

PAGE = 12  # alerts on one card
TOLD = 10  # firings on one card
LINKED = 10**12  # ids of supergroups are below -10**12: their messages have links
MARKS = {
    Phase.PAUSED: "PAUSED",
    Phase.STORMED: "STORM",
    Phase.EXPIRED: "EXPIRED",
    Phase.DONE: "DONE",
}
LASTING = {Phase.SNOOZED: "zzz {left}", Phase.COOLDOWN: "cools {left}"}
GONE = {
    DELISTED: "PAUSED, no market",
    CHAT_GONE: "PAUSED, chat away",
}  # by `AlertRule.paused_reason`


def listing(
    views: Sequence[View],
    words: Words,
    page: int,
    bars: Mapping[int, float],
    used: tuple[int, int],
) -> Reply:
    """Grouped by coin; `bars` says by alert how many typical days its level is away, `used` how many of how many."""
    if not views:
        return Reply(
            card=Card(
                glyph="🔔", headline=_("No alerts yet"), reading=_("Make one: /alert BTC above 95k")
            ),
            buttons=[[Button(text=_("＋ New"), command="/alert")]],  # noqa: RUF001
        )
    active = sum(view.rule.status is RuleStatus.ACTIVE for view in views)
    pages = max(1, -(-len(views) // PAGE))
    page = min(max(1, page), pages)
    shown = views[(page - 1) * PAGE : page * PAGE]
    mine, limit = used
    head = _("Alerts {n}/{limit} · closest first").format(n=mine, limit=limit)
    if active != mine:
        head = _("Alerts {active}, yours {n}/{limit} · closest first").format(
            active=active, n=mine, limit=limit
        )
    more = _("page {page} of {pages}").format(page=page, pages=pages) if pages > 1 else ""
    return Reply(
        card=Card(headline=head, table=_table(shown, words, bars), evidence=more),
        figures={
            f"{view.rule.id}.{name}": reading
            for view in shown
            for name, reading in figures(view).items()
            if name.startswith("now")
        },
        data={"alerts": [view.rule.id for view in views]},
        buttons=_buttons(shown, page, pages),
    )


def _buttons(shown: Sequence[View], page: int, pages: int) -> list[list[Button]]:
    each = [Button(text=str(v.rule.id), action="alert:show", value=str(v.rule.id)) for v in shown]
    rows = [each[i : i + 3] for i in range(0, len(each), 3)]
    more = [Button(text=_("＋ New"), command="/alert")]  # noqa: RUF001
    if page < pages:
        more.append(Button(text=_("▶ More"), command=f"/alerts {page + 1}", edit=True))
    if page > 1:
        more.append(Button(text=_("◀ Back"), command=f"/alerts {page - 1}", edit=True))
    whole = [
        Button(text=_("⏸ Pause all"), action="alert:all", value="pause"),
        Button(text=_("▶️ Resume all"), action="alert:all", value="resume"),
        Button(text=_("✖ Delete all"), action="alert:all", value="delete", style="danger"),
    ]
    told = [
        Button(text=_("History"), command="/alerts history"),
        Button(text=_("Export"), command="/alerts export"),
    ]
    return [*rows, more, told, whole]


def _table(shown: Sequence[View], words: Words, bars: Mapping[int, float]) -> list[str]:
    lines: list[str] = []
    for coin in dict.fromkeys(view.rule.coin for view in shown):
        group = [view for view in shown if view.rule.coin == coin]
        price = next(
            (v.progress.now for v in group if v.rule.kind == "price" and v.sample is not None), ""
        )
        lines.append(f"{coin or _('market')}  {price}".rstrip())
        for view in group:
            lines += _row(f" {view.rule.id} {words.short(view.rule)}", note(view, bars))
    return lines


def note(view: View, bars: Mapping[int, float]) -> str:
    """What a row says of an alert: where in its life it is, or how far it has to go."""
    return _where(view) or _how_far(view, bars)


def _where(view: View) -> str:
    """A phase in which the distance does not matter; "" in others."""
    standing = view.standing
    if standing.phase is Phase.PAUSED and view.rule.paused_reason in GONE:
        return _(GONE[view.rule.paused_reason])
    if standing.phase in MARKS:
        return _(MARKS[standing.phase])
    if standing.phase is Phase.PENDING:
        held, whole = fmt.age(standing.held), fmt.duration(standing.whole)
        return _("pending {held} of {whole}").format(held=held, whole=whole)
    if standing.phase in LASTING:
        left = fmt.age(standing.left or 0)
        return _(LASTING[standing.phase]).format(left=left)
    return ""


def _how_far(view: View, bars: Mapping[int, float]) -> str:
    if view.progress.met and not view.state.armed and not isinstance(view.rule.condition, Rise):
        fired = view.state.fired_count
        return _("{note} fired").format(note=view.progress.note) if fired else _("beyond")
    if view.progress.note == fmt.NOT_KNOWN:
        why = _missing(view)
        return _("n/a: {why}").format(why=why) if why else fmt.NOT_KNOWN
    if view.rule.id in bars:
        return f"{view.progress.note} {bars[view.rule.id]:.1f}{_('bar')}"
    return view.progress.note


def _missing(view: View) -> str:
    """Why the first figure of a rule that is not known is not."""
    if reason := next(iter(view.why.values()), view.problem):
        return why_not(reason)
    changes = [leg.leaf for leg in view.legs if leg.sample and isinstance(leg.leaf, Rise)]
    if not changes:
        return ""
    window = fmt.duration(changes[0].metric.window)
    return _("not known {window} ago").format(window=window)


def _row(left: str, right: str) -> list[str]:
    """One line, or more where one is too narrow: nothing that counts is cut off."""
    room = fmt.COLUMNS - fmt.columns_of(left) - fmt.columns_of(right)
    if room >= 1:
        return [left + " " * room + right]
    wrapped = wrap(right, fmt.COLUMNS - 1) or [""]
    return [fmt.clipped(left, fmt.COLUMNS), *(line.rjust(fmt.COLUMNS) for line in wrapped)]


def history(firings: Sequence[Firing], chat_id: int, now: int, rule_id: int | None) -> Reply:
    """What was told, the newest first, with where its message is."""
    back = [Button(text=_("🔔 My alerts"), command="/alerts")]
    if rule_id is not None:
        back.insert(0, Button(text=f"#{rule_id}", action="alert:show", value=str(rule_id)))
    if not firings:
        head = _("Nothing fired yet")
        return Reply(card=Card(glyph="🔔", headline=head), buttons=[back])
    shown = firings[:TOLD]
    return Reply(
        card=Card(
            glyph="🔔",
            headline=_("The last firing")
            if len(shown) == 1
            else _("The last {n} firings").format(n=len(shown)),
            reading="\n".join(_told(each, chat_id, now) for each in shown),
            evidence=_("newest first · times in UTC"),
        ),
        buttons=[back],
        data={
            "firings": [
                {
                    "alert": each.rule_id, "ts": each.ts, "value": each.value, "threshold": each.threshold,
                    "late": each.late, "told": each.told, "message_id": each.message_id,
                }
                for each in shown
            ]
        },
    )  # fmt: skip


def _told(firing: Firing, chat_id: int, now: int) -> str:
    """`14:02 UTC #412 BTC volume 340 % of average (late) t.me/c/1234/56`."""
    parts = [fmt.utc(firing.ts, now), f"#{firing.rule_id}", firing.text]
    if firing.late:
        parts.append(_("(late)"))
    if firing.message_id is not None and chat_id < -LINKED:
        parts.append(f"t.me/c/{-chat_id - LINKED}/{firing.message_id}")
    elif firing.told and firing.delivery not in ("", "sent", "merged"):
        parts.append(f"({_(firing.delivery)})")
    return " ".join(parts)


def confirm(verb: str, count: int) -> Reply:
    """Asked before all of a person's alerts change."""
    heads = {
        "pause": _("Pause all of your {n} alerts?"),
        "resume": _("Resume all of your {n} alerts?"),
        "delete": _("Delete all of your {n} alerts?"),
    }
    if count == 1:
        heads = {
            "pause": _("Pause your only alert?"),
            "resume": _("Resume your only alert?"),
            "delete": _("Delete your only alert?"),
        }
    words = {"pause": _("⏸ Pause {n}"), "resume": _("▶️ Resume {n}"), "delete": _("✖ Delete {n}")}
    return Reply(
        card=Card(glyph="🔔", headline=heads[verb].format(n=count), evidence=_("undo: 60 s")),
        buttons=[
            [
                Button(
                    text=words[verb].format(n=count), action=f"alert:{verb}", value="all",
                    style="danger" if verb == "delete" else "",
                ),
                Button(text=_("Keep them as they are"), command="/alerts", edit=True),
            ]
        ],
    )  # fmt: skip
