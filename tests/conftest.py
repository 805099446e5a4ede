"""What holds for every test."""

import pytest
import quick_schema

from storage import migrations

MIGRATING = ("storage", "soak")  # folders whose databases come about as a user's do


@pytest.fixture(autouse=True)
def schema_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases of tests that are not about them get their tables without going through every migration."""
    if request.path.parent.name not in MIGRATING:
        monkeypatch.setattr(migrations, "upgrade", quick_schema.upgrade)
