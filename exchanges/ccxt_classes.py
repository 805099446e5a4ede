"""Getting at single ccxt classes without importing the hundred others (half the time, half the memory)."""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

_PACKAGES = ("ccxt", "ccxt.async_support")


def exchange_class(name: str) -> type[Any]:
    """The REST class of one exchange, for example `binanceusdm`.

    The packages' own `__init__` files import every exchange, so they are stood in for by bare packages
    while the class is loaded. Where that does not work (another layout of ccxt), it is imported plainly.
    """
    if any(package in sys.modules for package in _PACKAGES):
        return _plain(name)
    bare = {package: _bare(package) for package in _PACKAGES}
    sys.modules.update(bare)
    try:
        _fill(bare["ccxt"])
        return getattr(importlib.import_module(f"ccxt.async_support.{name}"), name)
    except (ImportError, AttributeError):
        for module in [m for m in sys.modules if m.split(".")[0] == "ccxt"]:
            del sys.modules[module]
        return _plain(name)
    finally:
        for package, stand_in in bare.items():
            if sys.modules.get(package) is stand_in:
                del sys.modules[package]


def errors() -> ModuleType:
    """The module of ccxt's exceptions, which needs none of the exchanges."""
    if "ccxt.base.errors" not in sys.modules:
        exchange_class("coinbase")
    return sys.modules["ccxt.base.errors"]


def _plain(name: str) -> type[Any]:
    return getattr(importlib.import_module("ccxt.async_support"), name)


def _fill(top: ModuleType) -> None:
    """What ccxt's own modules expect of its top package."""
    errors = importlib.import_module("ccxt.base.errors")
    top.__dict__.update(
        {name: each for name, each in vars(errors).items() if isinstance(each, type)}
    )
    top.__dict__["Exchange"] = importlib.import_module("ccxt.base.exchange").Exchange


def _bare(package: str) -> ModuleType:
    """A package that has only its folder."""
    top = importlib.util.find_spec("ccxt")
    if top is None or top.submodule_search_locations is None:
        raise ModuleNotFoundError("ccxt")
    module = ModuleType(package)
    tail = package.split(".")[1:]
    module.__path__ = ["/".join([folder, *tail]) for folder in top.submodule_search_locations]
    return module
