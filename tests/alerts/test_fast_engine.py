"""The fast engine against the naive one: the same firings and states, whatever rules, samples and restarts."""

from engine_runs import Run
from hypothesis import given, settings
from hypothesis import strategies as some

SEEDS = some.integers(0, 10**9)


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_rules_of_one_leaf_fire_and_stand_as_if_each_was_asked_at_each_sample(seed: int) -> None:
    run = Run(seed, count=4, share=0, restarts=True)
    run.run(550)
    assert run.ticks > 400


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_rules_of_parts_fire_and_stand_as_if_each_was_asked_at_each_sample(seed: int) -> None:
    Run(seed, count=4, share=1, restarts=True).run(400)


@given(SEEDS)
@settings(max_examples=6, deadline=None)
def test_many_rules_of_one_price_step_side_by_side_as_they_would_alone(seed: int) -> None:
    Run(seed, count=2, crowd=250, restarts=True).run(100)


def test_runs_like_these_fire_in_every_way() -> None:
    """The comparison would hold for two engines that never say anything."""
    fired = [0, 0, 0]
    for seed in range(3):
        for n, run in enumerate((Run(seed, share=0), Run(seed, share=1), Run(seed, crowd=200))):
            run.run(400 if n < 2 else 40)
            fired[n] += run.fired
    assert all(count > 20 for count in fired), fired


def test_a_change_that_a_new_beginning_hid_is_seen_when_it_is_known_again() -> None:
    """A run that once went apart: a sample of other parts came while the past was too far back."""
    Run(429491355, restarts=True, count=3, share=1.0).run(400)
