"""A grid of 48 fits on diabetes through SlopeSearchCV beside scikit-learn's own, and a cross-validation of one model.

Both take the same steps: 50 epochs, row by row in their order, at a constant rate, from zeros, with a penalty on the
squares of the weights. scikit-learn's steps and epochs are not recorded; Slope's are checked against autograd, and on a
service every epoch is stored.
"""

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

from sklearn.datasets import load_diabetes
from sklearn.linear_model import SGDRegressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.preprocessing import StandardScaler

from benchmarks import servers
from benchmarks.comparison import Aim, compare, heading, in_turns
from benchmarks.problems import agreement
from slope.client.estimator import SlopeRegressor, SlopeSearchCV

_X, _Y = load_diabetes(return_X_y=True)
_X = StandardScaler().fit_transform(_X)
_EPOCHS, _FOLDS = 50, 4
_RATES, _PENALTIES = [1e-4, 3e-4, 1e-3], [0.0, 1e-3, 1e-2, 1e-1]
_THEIRS, _HERE, _SERVICE = "GridSearchCV of SGDRegressor", "SlopeSearchCV, in this process", "SlopeSearchCV, a service"
_AIM = Aim("at most", 3)


def run() -> None:
    with servers.running() as running:
        for kind in servers.DATABASES:
            with running.slope(kind) as api:
                _compare(kind, f"http://{api.host}:{api.port}")


def _compare(kind: str, url: str) -> None:
    _search(_ours(url=url))  # the first sweep of a worker loads what it needs
    searches = {
        _THEIRS: lambda: _search(_theirs()),
        _HERE: lambda: _search(_ours(local=True)),
        _SERVICE: lambda: _search(_ours(url=url)),
    }
    fits = len(_RATES) * len(_PENALTIES) * _FOLDS
    size = f"{len(_Y)} × {_X.shape[1]}, {_EPOCHS} epochs, row by row"
    heading(f"search: a grid of {fits} fits on diabetes, {size}, and the best on all rows; the service on {kind}")
    found = {name: search() for name, search in searches.items()}
    for name in (_HERE, _SERVICE):
        ours, theirs = (_by_setting(found[each]) for each in (name, _THEIRS))
        print(f"  {agreement(ours, theirs, 1e-9, f'scores, {name},')}")
    measured = in_turns(9, {name: _seconds(search) for name, search in searches.items()})
    for name in (_HERE, _SERVICE):
        compare(measured, name, _THEIRS, "s", _AIM)
    _cross_validate(kind, url)


def _cross_validate(kind: str, url: str) -> None:
    """Fit by fit: a job each on a service, POST to succeeded."""
    theirs, here, service = "cross_val_score of SGDRegressor", "of SlopeRegressor, here", "of SlopeRegressor, a service"
    models = {theirs: _sgd(), here: _regressor(local=True), service: _regressor(url=url)}
    ways = {name: _seconds(partial(_scores, model)) for name, model in models.items()}
    heading(f"cross_val_score: {_FOLDS} fits of the same; the service on {kind}")
    measured = in_turns(9, ways)
    for name in (here, service):
        compare(measured, name, theirs, "s")


def _ours(**where: Any) -> SlopeSearchCV:
    return SlopeSearchCV(_regressor(**where), {"learning_rate": _RATES, "l2": _PENALTIES}, cv=_FOLDS)


def _regressor(**where: Any) -> SlopeRegressor:
    return SlopeRegressor(epochs=_EPOCHS, batch_size=1, standardize=False, learning_rate=_RATES[0], **where)


def _theirs() -> GridSearchCV:
    """Its step goes along half of the squared error's gradient: at twice the rate it is the same."""
    return GridSearchCV(_sgd(), {"eta0": [2 * rate for rate in _RATES], "alpha": _PENALTIES}, cv=_FOLDS)


def _sgd() -> SGDRegressor:
    settings: dict[str, Any] = {"max_iter": _EPOCHS, "tol": None, "shuffle": False, "alpha": 0.0}
    return SGDRegressor(learning_rate="constant", eta0=2 * _RATES[0], **settings)


def _search(search: GridSearchCV) -> GridSearchCV:
    return search.fit(_X, _Y)


def _by_setting(search: GridSearchCV) -> list[float]:
    """The scores, by penalty and rate."""
    results = search.cv_results_
    settings = [
        tuple(each[name] for name in ("l2", "alpha", "learning_rate", "eta0") if name in each)
        for each in results["params"]
    ]
    return [score for _, score in sorted(zip(settings, results["mean_test_score"].tolist(), strict=True))]


def _scores(model: Any) -> Any:
    return cross_val_score(model, _X, _Y, cv=_FOLDS)


def _seconds(action: Callable[[], object]) -> Callable[[], float]:
    def measure() -> float:
        started = perf_counter()
        action()
        return perf_counter() - started

    return measure
