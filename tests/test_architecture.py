"""The import order is the architecture: a room uses only rooms before it, and a library only where it lives."""

import ast
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = (
    "market",
    "analytics",
    "charts",
    "exchanges",
    "alerts",
    "trading",
    "storage",
    "handlers",
    "bot",
)
HOME = {
    "ccxt": "exchanges",
    "picows": "exchanges",
    "lark": "alerts",
    "jinja2": "alerts",
    "aiosmtplib": "alerts",
    "oauthlib": "alerts",
    "python_socks": "exchanges",
    "aiohttp": "exchanges bot",
    "httpx": "exchanges alerts bot",
    "sqlalchemy": "storage",
    "alembic": "storage",
    "aiosqlite": "storage",
    "asyncpg": "storage",
    "telegram": "bot",
    "matplotlib": "charts",
    "pyarrow": "exchanges",
    "apscheduler": "bot",
    "pydantic": "bot",
    "dotenv": "bot",
    "ta": "analytics",
    "pandas": "analytics",
}
PURE = {
    "market": {"msgspec"},
    "analytics": {"msgspec", "numpy", "pandas", "ta"},
    "charts": {"numpy", "matplotlib"},
}
PURE_STDLIB = sys.stdlib_module_names - {
    "asyncio", "os", "socket", "subprocess", "threading", "time", "urllib",
}  # fmt: skip
FILES = [path for room in ORDER for path in (ROOT / room).rglob("*.py")]


def imported(path: Path) -> set[str]:
    """Absolute names of the modules a file imports, relative imports resolved."""
    names: set[str] = set()
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            names.add(".".join((*base, *([node.module] if node.module else []))))
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_room(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    for name in imported(path):
        top = name.split(".")[0]
        if top in ORDER:
            earlier = ORDER.index(top) <= ORDER.index(room)
            only_types = room != "storage" or top in ("storage", "market") or name.endswith("types")
            handler_types = room == "storage" and name == "handlers.types"
            assert handler_types or (earlier and only_types), name
        else:
            assert room in HOME.get(top, room).split(), name
            assert room not in PURE or top in PURE_STDLIB | PURE[room], name


def test_telegram_stays_in_its_room() -> None:
    """`telegram` is imported under bot/telegram only."""
    for path in (ROOT / "bot").rglob("*.py"):
        if "telegram" not in path.relative_to(ROOT).parts[1]:
            assert not any(name.split(".")[0] == "telegram" for name in imported(path)), path


def test_scenarios_are_known_to_the_simulator_alone() -> None:
    """Nothing but the simulator (and the command line that starts it) may know what is staged."""
    inside = ROOT / "exchanges" / "local"
    for path in FILES:
        if inside in path.parents or path == ROOT / "bot" / "local_market.py":
            continue
        assert not any("exchanges.local.simulator" in name for name in imported(path)), path


def test_no_two_test_files_have_the_same_name() -> None:
    """Tests are no packages: of two files with one name only the first is collected."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
