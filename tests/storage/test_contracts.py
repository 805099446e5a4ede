"""The repositories are what the other rooms were promised, down to the names of parameters."""

import inspect

import pytest

from alerts.monitors.types import MonitorStore
from alerts.protocols import AlertStore
from exchanges.types import CheckpointStore, GapStore, SampleStore
from handlers.types import ButtonStore, InboxStore, PeopleStore
from storage.alerts import Alerts
from storage.buttons import Buttons
from storage.checkpoints import Checkpoints
from storage.inbox import Inbox
from storage.monitors import Monitors
from storage.people import People
from storage.samples import Samples

PROMISES = [
    (AlertStore, Alerts),
    (SampleStore, Samples),
    (GapStore, Samples),
    (CheckpointStore, Checkpoints),
    (MonitorStore, Monitors),
    (ButtonStore, Buttons),
    (InboxStore, Inbox),
    (PeopleStore, People),
]


@pytest.mark.parametrize(("promise", "kept"), PROMISES)
def test_every_promised_method_is_there_with_its_parameters(promise: type, kept: type) -> None:
    names = [name for name in vars(promise) if not name.startswith("_")]
    assert names
    for name in names:
        asked, found = (inspect.signature(getattr(each, name)) for each in (promise, kept))
        assert found.parameters == asked.parameters, name
        assert found.return_annotation == asked.return_annotation, name
        method = getattr(kept, name)
        assert inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method), name
