"""Liquidation prices of four venues against the vectors' root finding."""

import math
from typing import Any

import pytest
from vector_files import cases, close, name

from analytics.liquidation.model import by_leverage, liquidation_price
from market.types import PositionSide, TierTable


def table_of(inputs: dict[str, Any]) -> TierTable:
    tiers = inputs["tiers"]
    extra: dict[str, str] = {}
    if "max_leverage" in tiers[0]:
        caps = [tier["notional_floor"] for tier in tiers[1:]] + [math.inf]
        steps = list(zip(caps, (tier["max_leverage"] for tier in tiers), strict=True))
        return by_leverage(inputs["exchange"], "X", steps, as_of="", source="")
    floor = "contracts_floor" if "contracts_floor" in tiers[0] else "notional_floor"
    if floor == "contracts_floor":
        extra = {
            "form": "whole", "contract_size": str(inputs["ct_val"]), "taker_fee": str(inputs["taker_fee"]),
        }  # fmt: skip
    caps = [tier[floor] for tier in tiers[1:]] + [math.inf]
    rows = [
        (cap, tier["mmr"], tier.get("maint_amount", 0.0), 1000.0)
        for cap, tier in zip(caps, tiers, strict=True)
    ]
    return TierTable(exchange=inputs["exchange"], base="X", tiers=tuple(rows), extra=extra)


@pytest.mark.parametrize("case", cases("liq_price"), ids=name)
def test_liquidation_price(case: dict[str, Any]) -> None:
    inputs = case["inputs"]
    amount = inputs["qty"] if "qty" in inputs else inputs["contracts"] * inputs["ct_val"]
    found = liquidation_price(
        position=PositionSide(inputs["side"]),
        entry=inputs["entry"],
        amount=amount,
        leverage=inputs["leverage"],
        table=table_of(inputs),
        extra_margin=inputs.get("extra_margin", 0.0),
        fixed_maintenance=inputs.get("basis") == "entry",
    )
    assert close(found.value, case["expected"]["liq_price"], case["tol"])
    assert found.known or found.reason
