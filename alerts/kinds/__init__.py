"""The kinds of alerts: one file each, and one name in this list. Commands, wizard and rule language follow from it."""

from alerts.figures import Figure
from alerts.kinds.anomaly import Anomaly
from alerts.kinds.atr import Atr
from alerts.kinds.base import Kind
from alerts.kinds.bb import Bollinger
from alerts.kinds.blind import Blind
from alerts.kinds.book import Book
from alerts.kinds.cascade import Cascade
from alerts.kinds.close import Close
from alerts.kinds.cluster import Cluster
from alerts.kinds.correlation import Correlation
from alerts.kinds.crash import Crash
from alerts.kinds.cvd import Cvd
from alerts.kinds.delta import Delta
from alerts.kinds.divergence import Divergence
from alerts.kinds.funding import Funding
from alerts.kinds.ichimoku import Ichimoku
from alerts.kinds.liq import Liquidation
from alerts.kinds.liqs import Liquidations
from alerts.kinds.listing import Listing
from alerts.kinds.ma import Average
from alerts.kinds.macd import Macd
from alerts.kinds.move import Move
from alerts.kinds.oi import OpenInterest
from alerts.kinds.premium import Premium
from alerts.kinds.price import Price
from alerts.kinds.regime import Regime
from alerts.kinds.report import Report
from alerts.kinds.rsi import Rsi
from alerts.kinds.stoch import Stochastic
from alerts.kinds.turnover import Turnover
from alerts.kinds.volume import Volume
from alerts.kinds.vwap import Vwap
from alerts.kinds.wall import Wall
from alerts.kinds.whale import Whale
from alerts.kinds.when import When
from alerts.language.rules import Language

_CLASSES: tuple[type[Kind], ...] = (
    Price, Close, Move, Volume, Turnover, Delta, Cvd, Divergence, Whale, OpenInterest, Funding, Premium,
    Liquidation, Liquidations, Cascade, Cluster, Book, Wall, Rsi, Macd, Bollinger, Average,
    Stochastic, Ichimoku, Atr, Vwap, Crash, Anomaly, Regime, Correlation, Listing, Blind, Report,
    When,
)  # fmt: skip

FIGURES: tuple[Figure, ...] = tuple(
    dict.fromkeys(figure for each in _CLASSES for figure in each.figures)
)
LANGUAGE = Language(FIGURES)
KINDS: tuple[Kind, ...] = tuple(each(LANGUAGE) for each in _CLASSES)


def kind_of(name: str) -> Kind:
    """The kind a stored rule was made by."""
    return next(each for each in KINDS if each.name == name)


def figure_of(name: str) -> Figure:
    """The figure of a metric."""
    return next(each for each in FIGURES if each.name == name)
