"""What ails a run is said once, at the right epoch, with what to do about it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slope.columns import join_columns
from slope.engines.groups.rounds import Round
from slope.group_health import GroupHealth
from slope.health import GROWING_EPOCHS, STILL_EPOCHS, Finding, Health
from slope.model import Parameters
from slope.records import EpochRecord, EpochTable, epoch_columns
from slope.spec import TrainingSpec


def record(epoch: int, loss: float, norm: float = 1.0) -> EpochRecord:
    zero = Parameters([0.0], None)
    return EpochRecord(epoch, loss, loss, None, zero, zero, norm, zero, 0.01, 0.0, [])


def findings(losses: list[float], norms: list[float] | None = None, told: set[str] | None = None) -> list[Finding]:
    health = Health(told or set(), TrainingSpec())
    norms = norms or [1.0] * len(losses)
    return [
        finding
        for epoch, (loss, norm) in enumerate(zip(losses, norms, strict=True))
        for finding in health.examine(record(epoch, loss, norm))
    ]


def test_a_healthy_run_is_told_nothing() -> None:
    assert findings([0.9**epoch for epoch in range(50)], [0.95**epoch for epoch in range(50)]) == []


def test_a_growing_loss_is_a_warning_that_names_the_rate() -> None:
    (found,) = findings([2.0**epoch for epoch in range(GROWING_EPOCHS + 20)])
    assert (found.code, found.level) == ("loss_growing", "warning")
    assert "lower the learning rate" in found.detail


def test_a_loss_that_wavers_is_not_growing() -> None:
    losses = [1.0, 3.0] * 30
    assert all(a != b for a, b in pairwise(losses))
    assert findings(losses) == []


def test_a_small_rise_is_not_growing() -> None:
    assert findings([1 + 0.01 * epoch for epoch in range(50)]) == []


def test_a_loss_that_stands_still_says_since_when() -> None:
    (found,) = findings([4.0, 2.0] + [1.0] * (STILL_EPOCHS + 5))
    assert (found.code, found.level) == ("loss_still", "info")
    assert "since epoch 2" in found.detail


def test_a_vanished_gradient_is_measured_against_the_first() -> None:
    losses = [0.9**epoch for epoch in range(4)]
    (found,) = findings(losses, [1e-6, 1e-10, 1e-15, 1e-16])
    assert (found.code, found.level) == ("gradient_vanished", "info")
    assert "epoch 2" in found.detail


@pytest.mark.parametrize("told", [{"loss_growing"}, {"loss_growing", "loss_still"}])
def test_what_an_earlier_attempt_told_is_not_repeated(told: set[str]) -> None:
    assert findings([2.0**epoch for epoch in range(30)], told=told) == []


def ended(losses: list[float], *, told: set[str] | None = None) -> tuple[list[str], list[str]]:
    """The codes of what was told on the way, and at the end."""
    health = Health(told or set(), TrainingSpec())
    on_the_way = [found.code for epoch, loss in enumerate(losses) for found in health.examine(record(epoch, loss))]
    return on_the_way, [found.code for found in health.conclude()]


def test_growth_is_taken_back_when_the_loss_has_fallen_below_where_it_was() -> None:
    growth = [2.0**epoch for epoch in range(GROWING_EPOCHS + 2)]
    assert ended([*growth, 0.5]) == (["loss_growing"], ["loss_fell_again"])
    assert ended([*growth, 0.5, 2.0]) == (["loss_growing"], [])
    assert ended(growth) == (["loss_growing"], [])
    assert ended([1.0, 0.5]) == ([], [])
    assert ended([*growth, 0.5], told={"loss_growing"}) == ([], []), "where it was is not known any more"


def test_standardized_data_is_not_to_be_standardized() -> None:
    for standardize in (False, True):
        health = Health(set(), TrainingSpec(standardize=standardize))
        growth = [2.0**epoch for epoch in range(GROWING_EPOCHS + 2)]
        [found] = [each for epoch, loss in enumerate(growth) for each in health.examine(record(epoch, loss))]
        assert ("standardize" in found.detail) == (not standardize)


LOSSES = st.lists(st.sampled_from([1.0, 1.0 + 1e-12, 1.5, 2.0, 4.0, 8.0, 0.5]), min_size=1, max_size=80)


@given(LOSSES, st.lists(st.sampled_from([1.0, 0.5, 1e-9]), min_size=80, max_size=80), st.lists(st.integers(1, 80)))
def test_blocks_of_epochs_show_what_each_of_them_would(
    losses: list[float], norms: list[float], cuts: list[int]
) -> None:
    records = [record(epoch, loss, norm) for epoch, (loss, norm) in enumerate(zip(losses, norms, strict=False))]
    singly, together = Health(set(), TrainingSpec()), Health(set(), TrainingSpec())
    ends = sorted({min(cut, len(records)) for cut in cuts} | {len(records)})
    blocks = [records[start:end] for start, end in pairwise([0, *ends])]

    expected = [finding for each in records for finding in singly.examine(each)]
    found = [finding for block in blocks for finding in together.examine_block(EpochTable(epoch_columns(block), None))]

    assert found == expected
    assert together.conclude() == singly.conclude()


@given(st.lists(LOSSES, min_size=1, max_size=4), st.lists(st.sampled_from([1.0, 0.5, 1e-9]), min_size=80), st.data())
def test_models_that_are_looked_at_together_show_what_each_shows_alone(
    members: list[list[float]], norms: list[float], data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(1, 80)))
    ends = [0, *sorted({*cuts, 80})]
    group = GroupHealth({place: Health(set(), TrainingSpec()) for place in range(len(members))}, len(members))
    found: dict[int, list[Finding]] = {place: [] for place in range(len(members))}
    for start, end in pairwise(ends):
        left = {place: losses[start:end] for place, losses in enumerate(members) if losses[start:end]}
        if left:
            for place, findings in group.examine(round_of(start, left, norms)).items():
                found[place] += findings

    for place, losses in enumerate(members):
        alone = Health(set(), TrainingSpec())
        records = [record(epoch, loss, norm) for epoch, (loss, norm) in enumerate(zip(losses, norms, strict=False))]
        assert found[place] == [finding for each in records for finding in alone.examine(each)]
        assert group.conclude(place) == alone.conclude()


def round_of(first: int, losses: dict[int, list[float]], norms: list[float]) -> Round:
    """Of some models the epochs with these losses from one on."""
    of_each = [
        epoch_columns([record(first + i, each[i], norms[first + i]) for i in range(len(each))])
        for each in losses.values()
    ]
    counts = np.array([len(each) for each in losses.values()])
    return Round(first, np.array(list(losses)), counts, join_columns(of_each), {}, np.arange(0), None)
