"""Early stopping: when a run ends, and which of its parameters are its result."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from slope.data import prepare
from slope.loop import Training
from slope.model import Parameters
from slope.records import EpochRecord
from slope.run import Patience
from slope.spec import TrainingSpec

X = np.arange(1.0, 11.0)[:, None] / 10
Y = 3 * X[:, 0] + 1 + 0.1 * np.random.RandomState(2).standard_normal(10)


def record_of(epoch: int, loss: float, validation_loss: float | None = None) -> EpochRecord:
    """An epoch whose weight is its number."""
    parameters, nothing = Parameters([float(epoch)], None), Parameters(None, None)
    return EpochRecord(epoch, loss, loss, validation_loss, nothing, nothing, 0.0, parameters, 0.1, 0.0, [])


def epochs_until_exhausted(patience: Patience, records: Iterable[EpochRecord]) -> int:
    judged = 0
    for record in records:
        if patience.exhausted:
            break
        patience.judge([record])
        judged += 1
    return judged


def records_of(*losses: float) -> list[EpochRecord]:
    return [record_of(epoch, loss) for epoch, loss in enumerate(losses)]


@pytest.mark.parametrize(
    ("patience", "losses", "judged", "best"),
    [
        (1, [3.0, 2.0, 2.5, 1.0], 3, 1.0),
        (2, [3.0, 2.0, 2.5, 1.0, 1.5, 1.25, 0.5], 6, 3.0),
        (3, [3.0, 2.0, 1.0], 3, 2.0),
        (2, [1.0, 1.0, 1.0, 0.0], 3, 0.0),  # equal is not better
        (2, [1.0, 2.0, 3.0, 0.0], 3, 0.0),
    ],
)
def test_it_stops_after_so_many_epochs_without_a_lower_loss_and_keeps_the_best(
    patience: int, losses: list[float], judged: int, best: float
) -> None:
    watch = Patience(patience, 0.0)
    assert epochs_until_exhausted(watch, records_of(*losses)) == judged
    assert watch.best == ([best], None)


def test_a_gain_must_exceed_min_delta_over_the_best_so_far() -> None:
    """Small gains add up: each is compared with the best, not with the epoch before."""
    watch = Patience(3, 0.5)
    assert epochs_until_exhausted(watch, records_of(4.0, 3.75, 3.5, 3.25, 3.0, 2.9, 2.8, 0.0)) == 7
    assert watch.best == ([3.0], None)


def test_the_validation_loss_is_watched_where_there_is_one() -> None:
    watch = Patience(1, 0.0)
    pairs = [(3.0, 1.0), (2.0, 0.5), (1.0, 0.75), (0.5, 0.25)]
    assert epochs_until_exhausted(watch, [record_of(epoch, *pair) for epoch, pair in enumerate(pairs)]) == 3
    assert watch.best == ([1.0], None)


def test_it_goes_on_from_its_state_as_if_it_had_never_stopped() -> None:
    losses = records_of(3.0, 2.0, 2.5, 2.25, 2.125, 1.0)
    for cut in range(5):
        first, second = Patience(3, 0.0), Patience(3, 0.0)
        epochs_until_exhausted(first, losses[:cut])
        second.restore(first.state())
        assert cut + epochs_until_exhausted(second, losses[cut:]) == 5
        assert second.best == ([1.0], None)


def test_without_a_rule_nothing_is_watched() -> None:
    assert Patience.of(TrainingSpec()) is None


def trained(**hyperparameters: Any) -> tuple[Training, list[EpochRecord]]:
    spec = TrainingSpec.model_validate(
        {"learning_rate": 0.01} | {"dtype": "float64", "batch_size": "full", **hyperparameters}
    )
    training = Training(prepare(X, Y, spec), spec)
    return training, list(training.epochs())


def test_a_run_without_early_stopping_trains_all_its_epochs_and_ends_with_its_last_parameters() -> None:
    training, records = trained(epochs=30, learning_rate=0.9)
    assert (len(records), training.stopped_early) == (30, False)
    assert training.result == records[-1].parameters


def test_a_run_that_no_longer_gains_ends_early_with_the_parameters_of_its_best_epoch() -> None:
    rule = {"patience": 4, "min_delta": 0.01}
    training, records = trained(epochs=1000, learning_rate=0.3, early_stopping=rule)
    losses = [record.loss for record in records]
    assert training.stopped_early
    assert len(records) < 1000
    best = len(records) - 5
    assert training.result == records[best].parameters
    assert all(loss >= losses[best] - 0.01 for loss in losses[best:])


def test_a_run_is_judged_by_its_validation_rows() -> None:
    """A rate that is right for the training rows lets the validation loss rise again: the best comes from before."""
    training, records = trained(
        epochs=1000, learning_rate=0.5, validation_fraction=0.4, seed=1, early_stopping={"patience": 3}
    )
    validation = [record.validation_loss for record in records]
    best = int(np.argmin(validation))
    assert training.stopped_early
    assert best == len(records) - 4
    assert training.result == records[best].parameters
    assert records[-1].loss < records[best].loss


def test_a_run_that_has_ended_trains_no_further() -> None:
    training, records = trained(epochs=1000, learning_rate=0.3, early_stopping={"patience": 2, "min_delta": 0.01})
    assert training.epoch == len(records)
    assert list(training.epochs()) == []
