"""Stochastic gradient descent row by row, against scikit-learn's and Vowpal Wabbit's: every epoch of ours recorded."""

import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.linear_model import SGDRegressor

from benchmarks.comparison import Aim, compare, heading, in_turns
from benchmarks.problems import FEATURES, agreement, load_everything, rows, spec_of, trained
from slope.arrays import Array

_ROWS, _RATE = 1_000_000, 1e-4
_WABBIT_ROWS = 100_000


def run() -> None:
    load_everything()
    _ordered(100, repeats=3, aim=Aim("at most", 1 / 10))
    _ordered(1000, repeats=1, aim=Aim("at most", 1 / 60))
    _shuffled()
    _against_wabbit()


def _ordered(epochs: int, repeats: int, aim: Aim) -> None:
    (x, y), spec = rows(_ROWS), spec_of(epochs=epochs, learning_rate=_RATE)
    weights: dict[str, Array] = {}

    def ours() -> float:
        seconds, records = trained("composed", x, y, spec)
        weights["ours"] = np.array(records[-1].parameters.weights)
        return seconds

    def theirs() -> float:
        seconds, weights["theirs"] = scikit_learn(x, y, epochs, shuffle=False)
        return seconds

    heading(f"ordered: {epochs} epochs of SGD over 10⁶ × {FEATURES} in order, a row a step, float64")
    ways = {"SGDRegressor": theirs, "composed": ours}
    compare(in_turns(repeats, ways), "composed", "SGDRegressor", "s", aim)
    print(f"  {agreement(weights['ours'], weights['theirs'], 1e-12, 'weights')}\n")


def _shuffled() -> None:
    epochs = 5
    (x, y), spec = rows(_ROWS), spec_of(epochs=epochs, learning_rate=_RATE, shuffle=True)
    heading(f"shuffled: {epochs} epochs of SGD over 10⁶ × {FEATURES}, shuffled anew, a row a step, float64")
    ways = {
        "SGDRegressor": lambda: scikit_learn(x, y, epochs, shuffle=True)[0],
        "compiled": lambda: trained("compiled", x, y, spec)[0],
    }
    compare(in_turns(3, ways), "compiled", "SGDRegressor", "s", Aim("at most", 1 / 2))
    _, theirs = scikit_learn(x, y, epochs, shuffle=False)
    _, records = trained("compiled", x, y, spec_of(epochs=epochs, learning_rate=_RATE))
    print(f"  {agreement(records[-1].parameters.weights, theirs, 1e-12, 'weights in one order')}\n")


def _against_wabbit() -> None:
    try:
        from vowpalwabbit import Workspace
    except ImportError:
        print("wabbit: the package vowpalwabbit is not installed (extra `bench`)\n")
        return
    epochs = 5
    (x, y), spec = rows(_WABBIT_ROWS), spec_of(epochs=epochs, learning_rate=_RATE, shuffle=True)
    with tempfile.TemporaryDirectory(prefix="slope-bench-") as folder:
        text, cache = Path(folder) / "rows.txt", Path(folder) / "rows.cache"
        _write(text, x, y)
        # Plain descent with the same rate: neither adaptive nor normalized, and predictions are not cut.
        rule = f"--sgd --power_t 0 -l {_RATE} --noconstant --holdout_off --quiet --min_prediction -1e9"
        Workspace(f"-d {text} --cache_file {cache} {rule} --max_prediction 1e9").finish()
        weights: list[float] = []

        def theirs() -> float:
            started = perf_counter()
            wabbit = Workspace(f"--cache_file {cache} --passes {epochs} {rule} --max_prediction 1e9")
            seconds = perf_counter() - started
            weights[:] = [wabbit.get_weight_from_name(str(feature), "f") for feature in range(FEATURES)]
            wabbit.finish()
            return seconds

        heading(
            f"wabbit: {epochs} epochs of SGD over 10⁵ × {FEATURES}; ours shuffled in float64, theirs in order, float32"
        )
        ways = {"Vowpal Wabbit, from its cache": theirs, "compiled": lambda: trained("compiled", x, y, spec)[0]}
        measured = in_turns(3, ways)
    compare(measured, "compiled", "Vowpal Wabbit, from its cache", "s", Aim("at most", 1))
    _, records = trained("compiled", x, y, spec_of(epochs=epochs, learning_rate=_RATE))
    print(f"  {agreement(records[-1].parameters.weights, weights, 1e-4, 'weights in one order')}\n")


def scikit_learn(x: Array, y: Array, epochs: int, *, shuffle: bool) -> tuple[float, Array]:
    """Seconds and weights. Its loss is half of ours: so is our rate of its."""
    model = SGDRegressor(
        penalty=None,
        fit_intercept=False,
        learning_rate="constant",
        eta0=2 * _RATE,
        max_iter=epochs,
        tol=None,
        shuffle=shuffle,
        random_state=0,
    )
    started = perf_counter()
    model.fit(x, y)
    return perf_counter() - started, model.coef_


def _write(path: Path, x: Array, y: Array) -> None:
    with path.open("w") as file:
        for row, target in zip(x.tolist(), y.tolist(), strict=True):
            numbers = " ".join(f"{feature}:{number:.9g}" for feature, number in enumerate(row))
            file.write(f"{target:.9g} |f {numbers}\n")
