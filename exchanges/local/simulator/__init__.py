"""A market that trades by itself: seeded, deterministic, computed only where somebody looks."""

from exchanges.local.simulator.market import SimulatedMarket
from exchanges.local.simulator.scenarios import Scenario, parse_scenarios

__all__ = ["Scenario", "SimulatedMarket", "parse_scenarios"]
