"""The setup score: lines that add up, unknown inputs named and never guessed, words without a promise."""

import math
import re
from typing import Any

import pytest
from flow_samples import T0
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.correlation import Correlation
from analytics.liquidation.clusters import Cluster
from analytics.setup import POINTS, Setup, assess
from market.types import Kind, PositionSide, Reading, Status

LONGS_BELOW = Cluster(
    position=PositionSide.LONG, near=61_480.0, peak=61_400.0, far=61_300.0, usd=47e6,
    share=0.2, distance=-0.002,
)  # fmt: skip


def known(value: object, **more: Any) -> Reading[Any]:
    return Reading(value=value, as_of=T0, venues=("binance",), **more)


EXTREME: dict[str, Reading[Any]] = {
    "volume_pace_15m": known(5.0, kind=Kind.ESTIMATED, note="on pace"),
    "delta_5m": known(-12.8e6), "volume_5m": known(20e6), "bid_share": known(0.1),
    "funding_8h": known(0.0008), "funding_momentum": known(0.0003),
    "oi_change_30m": known(0.03), "oi_delta_usd_30m": known(230e6),
    "liq_long_5m": known(2e6), "liq_short_5m": known(1e5),
}  # fmt: skip
BESIDE: dict[str, Any] = {
    "cluster": known(LONGS_BELOW), "delta_z": known(-4.0),
    "link": known(Correlation(current=0.2, baseline=0.91)), "crash": known("down"),
}  # fmt: skip
CALM: dict[str, Reading[Any]] = {
    "volume_pace_15m": known(1.0), "delta_5m": known(1e5), "volume_5m": known(20e6),
    "bid_share": known(0.5), "funding_8h": known(0.0001), "funding_momentum": known(0.0),
    "oi_change_30m": known(0.001), "oi_delta_usd_30m": known(1e6),
    "liq_long_5m": known(0.0), "liq_short_5m": known(0.0),
}  # fmt: skip


def line(setup: Setup, name: str) -> Any:
    return next(each for each in setup.lines if each.name == name)


def test_everything_at_once_is_ten_and_nothing_is_zero() -> None:
    assert sum(POINTS.values()) == 10
    most = assess(EXTREME, base="BTC", **BESIDE)
    assert (most.score.value, most.coverage, most.unknown) == (10.0, 1.0, ())
    assert (most.bias, most.band) == ("down", "high")
    calm = {"cluster": known(LONGS_BELOW), "link": known(Correlation(current=0.9, baseline=0.9))}
    calm["cluster"] = known(
        Cluster(
            position=PositionSide.LONG, near=60_000.0, peak=1, far=1, usd=1e6, share=0.5,
            distance=-0.05,
        )
    )  # fmt: skip
    least = assess(CALM, base="BTC", crash=known("none"), **calm)
    assert (least.score.value, least.bias, least.band) == (0.0, "mixed", "low")
    assert least.interpretation == "Nothing stands out in what is known."


def test_the_lines_of_the_example_carry_their_evidence() -> None:
    setup = assess(EXTREME, base="BTC", **BESIDE)
    texts = {each.name: each.text for each in setup.lines}
    assert texts == {
        "volume": "500 % of usual",
        "delta": "$12.8M net sells (5 m)",
        "cluster": "est. $47.0M longs at 61,480, 0.20 % below",
        "book": "90 % asks",
        "funding": "+0.0800 %/8h, rising",
        "interest": "+$230.0M (+3.00 % in 30 m)",
        "correlation": "0.20 against 0.91",
        "liquidations": "$2.00M longs, $100.0k shorts (5 m)",
        "crash": "a fall, seen by two sources",
    }
    assert setup.headline == "10.0/10 from 100 % of the signals"
    assert setup.level is not None
    assert (setup.level.value, setup.level.kind) == (61_480.0, Kind.ESTIMATED)
    assert setup.score.kind is Kind.ESTIMATED
    assert setup.score.as_of == T0
    assert line(setup, "volume").note == "on pace"


@pytest.mark.parametrize(
    ("name", "readings", "points"),
    [
        ("volume", {"volume_pace_15m": known(3.5)}, 0.8),
        ("volume", {"volume_pace_15m": known(2.0)}, 0.0),
        ("delta", {"delta_5m": known(8e6), "volume_5m": known(20e6)}, 0.8),
        ("delta", {"delta_5m": known(4e6), "volume_5m": known(20e6)}, 0.0),
        ("book", {"bid_share": known(0.7)}, 0.5),
        ("book", {"bid_share": known(0.3)}, 0.5),
        ("funding", {"funding_8h": known(-0.0005), "funding_momentum": known(0.0)}, 0.35),
        ("funding", {"funding_8h": known(0.0), "funding_momentum": known(-0.0003)}, 0.3),
        ("interest", {"oi_change_30m": known(-0.0175)}, 0.8),
        ("liquidations", {"liq_long_5m": known(0.0), "liq_short_5m": known(625e3)}, 0.2),
    ],
)
def test_the_ramps(name: str, readings: dict[str, Reading[Any]], points: float) -> None:
    assert line(assess(readings, base="BTC"), name).points == pytest.approx(points, abs=0.051)
    tenths = line(assess(readings, base="BTC"), name).points * 10
    assert tenths == round(tenths)


def test_an_unknown_input_gives_nothing_and_is_named() -> None:
    readings = dict(EXTREME)
    readings["oi_change_30m"] = Reading.missing("open interest is old", Status.STALE)
    del readings["bid_share"]
    setup = assess(readings, base="BTC", **BESIDE)
    assert setup.score.value == 7.5  # 10 without 1.5 and 1.0, and not scaled up
    assert setup.coverage == pytest.approx(0.75)
    assert setup.unknown == ("Book", "Open interest")
    assert setup.headline == "7.5/10 from 75 % of the signals"
    interest = line(setup, "interest")
    assert (interest.points, interest.text, interest.note) == (0.0, "n/a", "open interest is old")


def test_a_signal_of_two_inputs_may_be_known_in_part() -> None:
    readings = dict(EXTREME)
    readings["funding_momentum"] = Reading.missing("no rate of an hour ago", Status.INSUFFICIENT)
    setup = assess(readings, base="BTC", **BESIDE)
    funding = line(setup, "funding")
    assert (funding.points, funding.known) == (0.7, pytest.approx(0.7))
    assert "no rate of an hour ago" in funding.note
    assert setup.coverage == pytest.approx(0.97)
    assert setup.unknown == ("Funding",)


def test_below_sixty_percent_there_is_no_score() -> None:
    few = {key: EXTREME[key] for key in ("volume_pace_15m", "delta_5m", "volume_5m", "bid_share")}
    setup = assess(few, base="BTC")
    assert setup.score.value is None
    assert setup.score.reason == "only 40 % of the signals are known"
    assert setup.headline.startswith("n/a (only 40 %")
    assert setup.points == 4.0
    assert setup.band == ""
    nothing = assess({}, base="BTC")
    assert (nothing.coverage, nothing.points, nothing.level) == (0.0, 0.0, None)


VALUES = st.one_of(
    st.none(), st.floats(-10, 10), st.floats(-1e12, 1e12), st.just(math.nan), st.just(math.inf)
)


@given(
    st.fixed_dictionaries(dict.fromkeys(EXTREME, VALUES)),
    VALUES,
    st.sampled_from(["down", "up", "none", None]),
    st.floats(-1, 1),
    st.floats(0, 1),
)
@settings(max_examples=200, deadline=None)
def test_the_lines_always_add_up(
    values: dict[str, float | None], z: float | None, crash: str | None, far: float, share: float
) -> None:
    missing: Reading[Any] = Reading.missing("gone", Status.STALE)
    readings = {n: missing if v is None else known(v) for n, v in values.items()}
    cluster = Cluster(
        position=PositionSide.SHORT, near=1.0, peak=1.0, far=1.0, usd=1.0, share=share, distance=far
    )
    setup = assess(
        readings, base="ETH", cluster=known(cluster), delta_z=missing if z is None else known(z),
        crash=missing if crash is None else known(crash),
        link=known(Correlation(current=far, baseline=share)),
    )  # fmt: skip
    shown = [f"{each.points:.1f}" for each in setup.lines]
    assert round(sum(int(text.replace(".", "")) for text in shown)) == round(setup.points * 10)
    if setup.score.value is None:
        assert setup.coverage < 0.6
    else:
        assert setup.score.value == setup.points
        assert 0 <= setup.score.value <= 10
    for each in setup.lines:
        assert 0 <= each.points <= each.known + 1e-9
        assert each.known <= each.max_points
        assert (each.known == 0) == (each.text == "n/a")
        assert each.known > 0 or each.note
        assert "nan" not in each.text
        assert "inf" not in each.text
    assert setup.coverage == pytest.approx(sum(each.known for each in setup.lines) / 10)


def test_signals_that_disagree_are_mixed() -> None:
    readings = dict(EXTREME) | {"bid_share": known(0.9)}
    assert assess(readings, base="BTC", delta_z=known(4.0)).bias == "mixed"
    agree = {"delta_5m": known(8e6), "volume_5m": known(8e6), "bid_share": known(0.9)}
    assert assess(agree, base="BTC").bias == "up"
    weak = {"bid_share": known(0.75)}
    assert assess(weak, base="BTC").bias == "mixed"


def test_a_cluster_pulls_to_its_side() -> None:
    above = Cluster(
        position=PositionSide.SHORT,
        near=62_000.0,
        peak=1,
        far=1,
        usd=5e6,
        share=0.2,
        distance=0.002,
    )
    for cluster, sign, words in ((above, 1, "shorts"), (LONGS_BELOW, -1, "longs")):
        setup = assess({}, base="BTC", cluster=known(cluster))
        assert line(setup, "cluster").sign == sign
        assert words in line(setup, "cluster").text
        assert setup.bias == ("up" if sign > 0 else "down")
        assert setup.interpretation.lower().startswith(words)


def test_longs_pay_when_funding_is_positive() -> None:
    positive = assess({"funding_8h": known(0.0008)}, base="BTC").interpretation
    negative = assess({"funding_8h": known(-0.0008)}, base="BTC").interpretation
    assert "longs pay" in positive
    assert "shorts pay" in negative


def test_words_promise_nothing_and_are_few() -> None:
    label = known("NEW_SHORTS")
    for beside in (BESIDE, {}):
        words = assess(EXTREME, base="BTC", quadrant=label, **beside).interpretation
        assert words.count(". ") <= 2
        assert len(words) < 300
        for never in ("will", "target", "incoming", "guarantee", "probab", "%", "moon"):
            assert not re.search(rf"\b{never}", words.lower())


def test_interest_is_read_with_the_price() -> None:
    only = {"oi_change_30m": known(0.03)}
    assert (
        "shorts the initiative"
        in assess(only, base="BTC", quadrant=known("NEW_SHORTS")).interpretation
    )
    assert assess(only, base="BTC").interpretation == "Positions are being opened."


def test_the_wall_is_the_level_where_no_cluster_is_known() -> None:
    wall = known(95_000.0)
    gone: Reading[Any] = Reading.missing("no map", Status.UNAVAILABLE)
    assert assess({}, base="BTC", cluster=gone, level=wall).level is wall
    assert assess({}, base="BTC", cluster=known(LONGS_BELOW), level=wall).level is not wall
