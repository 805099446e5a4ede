"""What may stand at the end of any alert: how often, how loud, until when, a note, and a cap for the day.

`once`, `every 1h`, `always`, `per bar`; `info`, `warning`, `critical`; `until 2d`, `until 2026-12-24`;
`note "take profit"`; `cap 10/day`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo

from alerts.lengths import length_text, spoken_length
from alerts.types import Repeat, Severity
from market.errors import UserError
from market.language import _
from market.types import DAY, MINUTE

EXAMPLE = '/alert BTC above 95k once until 2d note "take profit"'
LONGEST = 366 * DAY
MOST_NOTE = 200  # characters
MOST_CAP = 1000

_SEVERITIES = {
    "info": Severity.INFO, "warning": Severity.WARNING, "warn": Severity.WARNING,
    "critical": Severity.CRITICAL, "crit": Severity.CRITICAL, "urgent": Severity.CRITICAL,
}  # fmt: skip
_REPEATS = {
    "once": Repeat.ONCE, "only once": Repeat.ONCE, "just once": Repeat.ONCE, "one time": Repeat.ONCE,
    "one time only": Repeat.ONCE, "once only": Repeat.ONCE, "always": Repeat.ALWAYS,
    "every time": Repeat.ALWAYS, "each time": Repeat.ALWAYS, "per bar": Repeat.PER_BAR,
    "per candle": Repeat.PER_BAR, "once per bar": Repeat.PER_BAR, "once a bar": Repeat.PER_BAR,
    "once per candle": Repeat.PER_BAR, "every bar": Repeat.PER_BAR, "every candle": Repeat.PER_BAR,
}  # fmt: skip
_LENGTH = r"(?:\d+(?:\.\d+)?\s?[a-z]+(?:\d+[a-z]+)*|an? [a-z]+|hour|day|minute|week)"
_BEFORE = r"(?:^|(?<=[\s,;]))"
_REPEAT = re.compile(
    _BEFORE + "(" + "|".join(sorted(_REPEATS, key=len, reverse=True)) + r")\s*$", re.I
)
_EVERY = re.compile(
    _BEFORE + rf"(?:(?:at most |max )?(?:once )?every|cooldown(?: of)?)\s+({_LENGTH})\s*$", re.I
)
_SEVERITY = re.compile(
    _BEFORE + rf"(?:(?:severity|priority|as)[:\s]+)?({'|'.join(_SEVERITIES)})\s*$", re.I
)
_UNTIL = re.compile(
    _BEFORE
    + r"(?:until|till|expir(?:es|y|ing|e)(?: in| on| at| after)?|valid (?:for|until))[:\s]+"
    + rf"(never|{_LENGTH}|\d{{4}}-\d\d?-\d\d?(?:[ t]\d\d?:\d\d)?)\s*$",
    re.I,
)
_UNKNOWN_END = re.compile(
    _BEFORE + r"(?:until|till|expir(?:es|y)|valid until)\s+(\S+(?: \S+)?)\s*$", re.I
)
_CAP = re.compile(
    _BEFORE
    + r"(?:(?:daily )?cap[:\s]+(?:of )?(\d{1,6})(?:\s?(?:/|per|a|each)\s?day)?"
    + r"|(?:(?:max|at most|limit|no more than)[:\s]+)?(\d{1,6})(?: times)?\s?(?:/|per|a|each)\s?day)\s*$",
    re.I,
)
_NOTE = re.compile(
    _BEFORE + r"note\s*[:=]?\s*(?:\"([^\"]*)\"|“([^”]*)”|'([^']*)'(?=[\s,;]|$))", re.I
)
_BARE_NOTE = re.compile(_BEFORE + r"note\b", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was said beside the condition; None or empty where nothing was."""

    repeat: Repeat | None = None
    cooldown: int | None = None  # ms, with Repeat.EVERY
    severity: Severity | None = None
    note: str = ""
    expires: str = ""  # "2d" from the moment it is armed, or a day or minute of the chat's zone
    daily_cap: int | None = None

    def expires_ts(self, now: int, zone: tzinfo) -> int | None:
        """The wall ms it ends at when armed at `now`; a day without a time ends with that day."""
        if not self.expires:
            return None
        if (ms := spoken_length(self.expires)) is not None:
            return now + ms
        end = _moment(self.expires).replace(tzinfo=zone)
        if " " not in self.expires:
            end = (end + timedelta(days=1)).replace(hour=0, minute=0)
        ts = round(end.timestamp() * 1000)
        if ts <= now:
            raise UserError(_("{when} is over already.").format(when=self.expires), EXAMPLE)
        if ts > now + LONGEST:
            raise UserError(_("An alert ends within a year."), EXAMPLE)
        return ts


def split_options(words: Sequence[str]) -> tuple[tuple[str, ...], Options]:
    """The words of the condition, and the options after them. A word that is half an option is refused."""
    text, note = _note(" ".join(words))
    options = Options(note=note)
    while True:
        text = text.rstrip(" ,;")
        found = _last(text)
        if found is None:
            break
        start, said = found
        options = _merged(options, said)
        text = text[:start]
    if _BARE_NOTE.search(text):
        raise UserError(_('Put the note in quotes: note "take profit".'), EXAMPLE)
    if match := _UNKNOWN_END.search(text):
        raise UserError(
            _("I don't know until when “{when}” is; say 2d or 2026-12-24.").format(
                when=match[1][:24]
            ),
            EXAMPLE,
        )
    return tuple(text.split()), options


def option_text(options: Options) -> str:
    """The options as they are typed again, in one order; empty where there are none."""
    parts = []
    if options.repeat is Repeat.EVERY or (options.repeat is None and options.cooldown is not None):
        parts.append(f"every {length_text(options.cooldown or 0)}")
    elif options.repeat is not None:
        parts.append(options.repeat.value.replace("_", " "))
    if options.severity is not None:
        parts.append(options.severity.value)
    if options.expires:
        parts.append(f"until {options.expires}")
    if options.daily_cap is not None:
        parts.append(f"cap {options.daily_cap}/day")
    if note := _clean(options.note):
        parts.append(f'note "{note}"' if '"' not in note else f"note “{note}”")
    return " ".join(parts)


def _last(text: str) -> tuple[int, Options] | None:
    """The option the text ends with, and where it begins."""
    if match := _EVERY.search(text):
        cooldown = _length(match[1], low=MINUTE)
        return match.start(), Options(repeat=Repeat.EVERY, cooldown=cooldown)
    if match := _REPEAT.search(text):
        return match.start(), Options(repeat=_REPEATS[match[1].lower()])
    if match := _SEVERITY.search(text):
        return match.start(), Options(severity=_SEVERITIES[match[1].lower()])
    if match := _CAP.search(text):
        cap = int(match[1] or match[2])
        if not 1 <= cap <= MOST_CAP:
            raise UserError(_("A cap goes from 1 to 1,000 a day."), EXAMPLE)
        return match.start(), Options(daily_cap=cap)
    if match := _UNTIL.search(text):
        return match.start(), Options(expires=_end(match[1].lower()))
    return None


def _merged(options: Options, said: Options) -> Options:
    """Both together; the same thing said twice is refused."""
    for name in ("repeat", "severity", "expires", "daily_cap"):
        new = getattr(said, name)
        if new in (None, ""):
            continue
        if getattr(options, name) not in (None, ""):
            raise UserError(
                _("Two options of one sort: {text}.").format(text=option_text(said)), EXAMPLE
            )
        options = replace(options, **{name: new})
    return options if said.cooldown is None else replace(options, cooldown=said.cooldown)


def _note(text: str) -> tuple[str, str]:
    """The text without its note, and the note."""
    match = _NOTE.search(text)
    if match is None:
        return text, ""
    note = _clean(match[1] or match[2] or match[3] or "")
    if len(note) > MOST_NOTE:
        raise UserError(_("A note has at most {n} characters.").format(n=MOST_NOTE), EXAMPLE)
    return f"{text[: match.start()]} {text[match.end() :]}", note


def _clean(note: str) -> str:
    """One line; curly quotes become plain ones, that the note can be quoted in them."""
    plain = note.replace("“", '"').replace("”", '"')
    return " ".join("".join(c if c.isprintable() else " " for c in plain).split())


def _end(text: str) -> str:
    """Until when, in one spelling."""
    if text == "never":
        return ""
    if text[0].isdigit() and "-" in text:
        end = _moment(text)
        return f"{end:%Y-%m-%d %H:%M}" if ":" in text else f"{end:%Y-%m-%d}"
    return length_text(_length(text, low=MINUTE))


def _moment(text: str) -> datetime:
    """A day or a minute without its zone; the caller knows whose zone it is."""
    day, _sep, clock = text.replace("t", " ").partition(" ")
    year, month, date = (int(part) for part in day.split("-"))
    hour, minute = (int(part) for part in clock.split(":")) if clock else (0, 0)
    try:
        return datetime(year, month, date, hour, minute)  # noqa: DTZ001 - the zone is set by `expires_ts`
    except ValueError as e:
        raise UserError(_("There is no day {day}.").format(day=text), EXAMPLE) from e


def _length(text: str, *, low: int) -> int:
    ms = spoken_length(text)
    if ms is None or not low <= ms <= LONGEST:
        raise UserError(
            _("“{text}” is no length I can use; say 30m, 4h or 2d.").format(text=text[:24]), EXAMPLE
        )
    return ms
