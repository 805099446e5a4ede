"""The 1, 5 and 15 minute windows against the vectors."""

from typing import Any

import pytest
from vector_files import cases, close, name

from analytics.rolling import RollingWindows


@pytest.mark.parametrize("case", cases("rolling"), ids=name)
def test_windows_at_every_question(case: dict[str, Any]) -> None:
    events, tol = case["inputs"]["events"], case["tol"]
    for at, expected in zip(case["inputs"]["query_at"], case["expected"]["at"], strict=True):
        windows = RollingWindows()
        for event in events:
            if event["ts"] <= at:
                windows.update(event["ts"], event["usd"], bought=not event["is_buyer_maker"])
        found = windows.get(at)
        assert expected["at"] == at
        for minutes in (1, 5, 15):
            assert close(found[minutes].volume, expected["vol"][str(minutes)], tol)
            assert found[minutes].n == expected["trades"][str(minutes)]
        assert close(found[5].delta, expected["delta5"], tol)
        assert windows.acceleration(at) == expected["trade_accel"]
