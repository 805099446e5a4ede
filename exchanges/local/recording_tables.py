"""The tables of a recording: columns of one instrument as numpy arrays, read when asked for."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from exchanges.journal import SUFFIX, read_journal, table_of, unsealed
from exchanges.record_tables import SCHEMAS
from market.types import EXCHANGES, Instrument

TABLES = (
    "trades",
    "candles",
    "open_interest",
    "funding",
    "mark",
    "liquidations",
    "books",
    "market_caps",
    "gaps",
)
MULTIPLIED = re.compile(r"^(1000+|1M|k(?=[A-Z]))([A-Z0-9]+)$")
Columns = dict[str, npt.NDArray[Any]]


class RecordedInstrument(msgspec.Struct, kw_only=True):
    """One entry of `instruments` in recording.json."""

    exchange: str
    symbol: str
    base: str
    quote: str
    perp: bool
    contract_size: float = 1.0
    price_step: float = 0.0
    amount_step: float = 0.0


class Manifest(msgspec.Struct, kw_only=True):
    """recording.json."""

    format: int
    title: str
    start_ts: int
    end_ts: int
    instruments: list[RecordedInstrument]
    source: str = ""
    licence: str = ""


def load_manifest(folder: Path) -> Manifest:
    """The description of a recording; ValueError with one sentence where it is none."""
    try:
        manifest = msgspec.json.decode((folder / "recording.json").read_bytes(), type=Manifest)
    except OSError:
        raise ValueError(f"{folder} has no readable recording.json") from None
    except msgspec.MsgspecError as error:
        raise ValueError(f"{folder}/recording.json is not a recording: {error}") from None
    if manifest.format != 1:
        raise ValueError(f"{folder}/recording.json has format {manifest.format}; known is 1")
    if manifest.end_ts < manifest.start_ts:
        raise ValueError(f"{folder}/recording.json ends before it starts")
    for entry in manifest.instruments:
        if entry.exchange not in EXCHANGES:
            raise ValueError(f"{folder}/recording.json names the exchange {entry.exchange!r}")
    return manifest


def instrument_of(entry: RecordedInstrument) -> Instrument:
    """The instrument of a manifest entry, with the id its exchange gives it."""
    native = entry.symbol.split("/")[0]
    match = MULTIPLIED.match(native)
    multiplier = 1.0
    if match and match[2] == entry.base:
        multiplier = {"k": 1000.0, "1M": 1e6}.get(match[1]) or float(match[1])
    return Instrument(
        exchange=entry.exchange,
        symbol=entry.symbol,
        base=entry.base,
        quote=entry.quote,
        perp=entry.perp,
        contract_size=entry.contract_size,
        multiplier=multiplier,
        price_step=entry.price_step,
        amount_step=entry.amount_step,
        id=_native_id(entry, native),
    )


def _native_id(entry: RecordedInstrument, native: str) -> str:
    quote = entry.symbol.split("/")[1].split(":")[0]
    if entry.exchange == "hyperliquid":
        return native if entry.perp else f"{native}/{quote}"
    if entry.exchange == "okx":
        return f"{native}-{quote}-SWAP" if entry.perp else f"{native}-{quote}"
    if entry.exchange == "coinbase":
        return f"{native}-{quote}"
    return f"{native}{quote}"


class Tables:
    """The parquet files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._columns = lru_cache(maxsize=256)(self._read)
        self._exchanges = lru_cache(maxsize=None)(self._read_exchanges)

    def files(self, table: str) -> list[Path]:
        """`<table>.parquet`, or `<table>/*.parquet` in name order, then journals that are in none of them."""
        single = self._folder / f"{table}.parquet"
        if single.is_file():
            return [single]
        return [*sorted((self._folder / table).glob("*.parquet")), *unsealed(self._folder, table)]

    def of_exchange(self, exchange: str) -> frozenset[str]:
        """The tables that hold rows of `exchange`."""
        return frozenset(t for t in TABLES if exchange in self._exchanges(t))

    def columns(self, table: str, exchange: str = "", symbol: str = "") -> Columns:
        """All rows of one instrument in file order; {} where there are none."""
        return self._columns(table, exchange, symbol)

    def _read_exchanges(self, table: str) -> frozenset[str]:
        found: set[str] = set()
        for path in self.files(table):
            rows = _rows(path, ["exchange"])
            if "exchange" in rows.column_names:
                found |= set(rows["exchange"].unique().to_pylist())
        return frozenset(found)

    def _read(self, table: str, exchange: str, symbol: str) -> Columns:
        parts: list[Columns] = []
        for path in self.files(table):
            rows = _rows(path, None, exchange, symbol)
            if rows.num_rows:
                names = set(rows.column_names) - ({"exchange"} if exchange else set())
                parts.append({name: _array(rows[name]) for name in names})
        if not parts:
            return {}
        names = set.intersection(*(set(part) for part in parts))
        return _in_order({name: np.concatenate([part[name] for part in parts]) for name in names})


def _rows(path: Path, columns: list[str] | None, exchange: str = "", symbol: str = "") -> pa.Table:
    """The rows of one file, of one instrument where it is named; columns that are not there are left out."""
    if path.suffix == SUFFIX:
        whole = pa.Table.from_batches(read_journal(path) or [], SCHEMAS[table_of(path)])
        if exchange:
            mine = pc.and_(pc.equal(whole["exchange"], exchange), pc.equal(whole["symbol"], symbol))
            whole = whole.filter(mine)
        return whole
    known = pq.read_schema(path).names
    wanted = None if columns is None else [name for name in columns if name in known]
    filters = [("exchange", "==", exchange), ("symbol", "==", symbol)] if exchange else None
    return pq.read_table(path, columns=wanted, filters=filters)


def _in_order(columns: Columns) -> Columns:
    """By time; hours are written as they come, so a late row of one may follow the next hour's first."""
    stamps = columns.get("ts")
    if stamps is None or not len(stamps) or bool(np.all(stamps[1:] >= stamps[:-1])):
        return columns
    order = np.argsort(stamps, kind="stable")
    return {name: column[order] for name, column in columns.items()}


def _array(column: Any) -> npt.NDArray[Any]:
    """Numbers as numbers (null is NaN), everything else as objects (null is None)."""
    kind = str(column.type)
    if kind.startswith(("int", "uint")) and column.null_count == 0:
        return np.asarray(column.to_numpy(), dtype=np.int64)
    if kind.startswith(("int", "uint", "double", "float")):
        return np.asarray(column.cast("float64").to_numpy(zero_copy_only=False), dtype=np.float64)
    values = column.to_pylist()
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out
