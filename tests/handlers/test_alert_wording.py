"""What a card of an alert says of things that happen, of what was chosen, and of a test."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from alert_shop import BTC, CHAT, Shop, body, button, fits

from alerts.monitors.kinds.base import Finding
from handlers.base import Button
from market.errors import UserError


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    made = await Shop.open(tmp_path)
    yield made
    await made.desk.close()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/alert_crash BTC", "BTC flash crash"),
        ("/alert_crash BTC above 5%", "BTC flash crash of 5.00 % or more"),
        ("/alert_crash BTC below -3%", "BTC sudden rise of 3.00 % or more"),
        ("/alert_liqs BTC above $1m", "BTC liquidations of 5 m rise above $1.00M"),
    ],
)
async def test_a_thing_that_happens_is_called_what_it_is(
    shop: Shop, line: str, sentence: str
) -> None:
    assert body(await shop.say(line)).splitlines()[1] == sentence


@pytest.mark.parametrize("line", ["/alert_crash BTC", "/alert_wall BTC above $20m"])
async def test_a_thing_that_has_not_happened_is_no_missing_figure(shop: Shop, line: str) -> None:
    text = body(await shop.say(line))
    assert "told when it happens" in text
    assert "n/a" not in text
    assert "waiting" in body(await shop.say("/alerts"))


async def test_a_fall_is_not_called_bullish(shop: Shop) -> None:
    echo = await shop.say("/alert_when BTC flash crash above 5% and BTC price > 90k")
    assert "bullish" not in body(echo)
    assert "falls by 5% or more" in body(echo)


async def test_both_sides_of_a_divergence_wait_and_have_names(shop: Shop) -> None:
    echo = await shop.say("/alert_when BTC divergence 1h")
    assert "above 0" not in body(echo)
    done = body(await shop.press(button(echo, "✅ Arm"), update_id=1))
    assert "(bullish)" in done
    assert "(bearish)" in done
    assert "waiting" in body(await shop.say("/alerts"))


async def test_the_card_says_what_was_chosen(shop: Shop) -> None:
    await shop.say('/alert BTC above 95k critical until 7d max 3/day note "mind it"')
    text = body(await shop.press(Button(text="", action="alert:show", value="1")))
    for each in ("severity: critical", "told 3 times a day at most", "note: mind it"):
        assert each in text
    assert "\nends 2026-09-" in text


async def test_a_test_does_not_claim_that_anything_crossed(shop: Shop) -> None:
    await shop.say("/alert BTC above 95k")
    await shop.press(Button(text="", action="alert:test", value="1"), update_id=9)
    (message,) = await shop.desk.messages()
    assert message["headline"].startswith("TEST ")
    assert "nothing fired, 93,310.0 is the figure now" in message["reading"]


async def test_one_of_a_thing_is_not_called_several(shop: Shop) -> None:
    await shop.say("/alert BTC above 93,400")
    asked = await shop.say("/alerts pause all")
    assert "Pause your only alert?" in body(asked)
    await shop.desk.at(1, 93_500.0)
    assert body(await shop.say("/alerts history")).startswith("The last firing\n")
    shown = body(await shop.press(Button(text="", action="alert:show", value="1")))
    assert "fired once, at 00:00 UTC" in shown
    brought = await shop.say("/alerts import\n/alert ETH above 3900")
    assert "1 alert armed" in body(brought)
    assert len(await shop.desk.service.of_chat(CHAT)) == 2


async def test_what_has_not_happened_would_not_fire_and_is_not_unknown(shop: Shop) -> None:
    await shop.say("/alert_anomaly BTC")
    text = body(await shop.press(Button(text="", action="alert:would", value="1")))
    assert text.splitlines()[:3] == [
        "#1 would not fire now", "✗ BTC anomaly none yet (any)", "it has not happened just now",
    ]  # fmt: skip


async def test_a_reason_longer_than_a_line_goes_on_in_the_next(shop: Shop) -> None:
    await shop.say("/alert_cvd ETH negative 4h")
    reply = await shop.say("/alerts")
    assert fits(reply)
    assert reply.card is not None
    told = " ".join(line.strip() for line in reply.card.table)
    assert "n/a: not collected for the whole window yet" in told


async def test_a_change_whose_past_is_missing_says_so(shop: Shop) -> None:
    await shop.say("/alert_move BTC 5% 1h")
    assert "n/a: not known 1 h ago" in body(await shop.say("/alerts"))


async def test_an_error_of_a_kind_has_an_example_of_that_kind(shop: Shop) -> None:
    for line, example in (
        ("/alert_blind BTC", "/alert_blind"),
        ("/alert_rsi BTC sings", "/alert_rsi"),
    ):
        with pytest.raises(UserError) as caught:
            await shop.say(line)
        assert caught.value.example.startswith(example)


async def test_a_message_of_a_thing_that_happened_speaks_of_its_figures(shop: Shop) -> None:
    for line in ("/alert_wall BTC above $2m", "/alert_cascade BTC above $500k", "/alert_crash BTC"):
        await shop.say(line)
    await shop.desk.check()

    def found(kind: str, size: float, **fields: Any) -> Finding:
        whole = {"kind": kind, "key": BTC.key, "coin": "BTC", "ts": shop.desk.clock.now(), "value": size,
                 "size": size, "venues": ("binance",)}  # fmt: skip
        return Finding(**{**whole, **fields})

    shop.desk.runner.findings([
        found("wall", 4e6, side="buy", event="b:1", extra={"price": "93,000.0", "distance": -0.0033}),
        found("cascade", 6e5, key="BTC", side="long", extra={"count": 7}),
        found("crash", 4.2, key="BTC", value=-0.042, side="down", event="1:down:1"),
    ])  # fmt: skip
    await shop.desk.runner.committer.flush()
    wall, cascade, crash = await shop.desk.messages()
    assert wall["reading"] == "bid · price 93,000.0 · from the price -0.33 %"
    assert cascade["reading"] == "long · liquidations 7"
    assert crash["headline"] == "BTC flash crash: fell 4.20 %  #3"
