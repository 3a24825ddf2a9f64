"""A sweep over the same descents in JAX, one after another on one thread; and through SQL over its rows alone."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from uuid_utils.compat import uuid7

from benchmarks import jax_rivals
from benchmarks.comparison import Aim, compare, heading, in_turns
from benchmarks.problems import agreement, load_everything
from benchmarks.silent import Silent
from service.jobs import sweeps
from service.settings import Settings
from service.storage import storage_at
from service.store import schema
from service.store.database import Database
from service.store.jobs.lists import Filters, select_jobs
from service.store.leases.claims import claim_groups
from service.store.records.bulk import as_tuples
from slope.arrays import Array
from slope.columns import EpochColumns, join_columns
from slope.data import prepare
from slope.engines.groups.fused import Fused
from slope.spec import SweepRequest, TrainingSpec
from worker.attempt import run_attempt
from worker.devices import Device
from worker.process import Process

_SETTINGS, _ROWS, _FEATURES, _EPOCHS = 1000, 256, 8, 200
_IN_MEMORY = 1024
_THREADS = 2
_RATES = np.geomspace(1e-4, 0.3, _IN_MEMORY)
_RANDOM = np.random.RandomState(0)
_LIMITS = Settings(max_recorded_numbers=10**9)
_X = _RANDOM.standard_normal((_ROWS, _FEATURES))
_Y = _X @ _RANDOM.standard_normal(_FEATURES) + 0.1 * _RANDOM.standard_normal(_ROWS)
_SHARED: dict[str, Any] = {"epochs": _EPOCHS, "batch_size": "full", "dtype": "float64", "fit_bias": False}


def run() -> None:
    torch.set_num_threads(1)
    load_everything()
    if jax_rivals.IS_THERE:
        _in_memory()
    else:
        print("sweep: the package jax is not installed (extra `bench`)\n")
    heading(
        f"sweep: {_SETTINGS:,} settings × {_EPOCHS} epochs, from the request to the last job's end, durable in SQLite"
    )
    ours, theirs = "Slope: a sweep", "bare executemany of its epochs, rows ready"
    with tempfile.TemporaryDirectory(prefix="slope-bench-") as folder:
        bench = _Bench(Path(folder))
        bench.together()  # the first one prepares its statements
        compare(in_turns(5, {theirs: bench.bare, ours: bench.together}), ours, theirs, "s", Aim("at most", 3))


def _in_memory() -> None:
    """The losses, gradients and weights of every epoch, from the data's rows."""
    size = f"{_IN_MEMORY:,} settings, {_ROWS} × {_FEATURES}, {_EPOCHS} full-batch epochs, every one recorded, float64"
    heading(f"sweep: {size}; one thread each")
    specs = {
        place: TrainingSpec.model_validate(_SHARED | {"learning_rate": rate})
        for place, rate in enumerate(_RATES.tolist())
    }
    rows, products = (jax_rivals.sweep(_X, _Y, _RATES, _EPOCHS, gram=gram) for gram in (False, True))
    by_rows, by_products = "JAX: vmap of scan, from the rows", "JAX: the same, from the Gram matrix"
    ways = {
        by_rows: lambda: jax_rivals.seconds(rows),
        by_products: lambda: jax_rivals.seconds(products),
        "Slope: fused": lambda: _seconds(lambda: _fused(specs)),
    }
    measured = in_turns(9, ways)
    compare(measured, "Slope: fused", by_rows, "s", Aim("at most", 1 / 2))
    compare(measured, "Slope: fused", by_products, "s", Aim("at most", 1))
    for mine, its, what in zip(_by_models(_fused(specs)), rows(), ("losses", "gradients", "weights"), strict=True):
        print(f"  {agreement(mine, its, 1e-12, what)}")
    print()


def _fused(specs: dict[int, TrainingSpec]) -> list[EpochColumns]:
    training = Fused(prepare(_X, _Y, specs[0]), specs, len(specs), keeps_steps=False, threads=_THREADS)
    return [found.epochs for found in training.epochs()]


def _by_models(rounds: list[EpochColumns]) -> tuple[Array, Array, Array]:
    """Models × epochs, as JAX has them."""
    columns = [(each.loss, each.gradient_last_weights, each.weights) for each in rounds]
    losses, gradients, weights = (
        np.concatenate([part.reshape(_IN_MEMORY, -1, *part.shape[1:]) for part in parts], axis=1)
        for parts in zip(*columns, strict=True)
    )
    return losses, gradients, weights


def _seconds(action: Callable[[], object]) -> float:
    started = perf_counter()
    action()
    return perf_counter() - started


class _Bench:
    """A database and what a worker's process would hold."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(data_dir=folder)
        self._database = Database(settings.database)
        schema.upgrade_schema(self._database)
        self._storage = storage_at(settings.storage)
        self._process = Process(settings, self._database, [Device("cpu", "the bench's")], uuid7(), Silent())
        self._wanted = {
            "dataset": {"x": _X.tolist(), "y": _Y.tolist()},
            "hyperparameters": _SHARED,
            "grid": {"learning_rate": _RATES[:_SETTINGS].tolist()},
        }

    def together(self) -> float:
        started = perf_counter()
        request = SweepRequest.model_validate(self._wanted)
        sweep = sweeps.submit_sweep(self._database, self._storage, Silent(), request, settings=_LIMITS)
        with self._database.reading() as session:
            [job] = select_jobs(session, Filters(sweep_id=sweep.sweep_id), limit=1)
        run_attempt(self._process, self._claim(claim_groups, [job.group_id]))
        took = perf_counter() - started
        with self._database.reading() as session:
            counts = sweeps.get_sweep(session, sweep.sweep_id).counts
        if counts != {"succeeded": _SETTINGS}:
            raise SystemExit(f"The sweep did not end as it should: {counts}")
        return took

    def bare(self) -> float:
        """The epochs of such a sweep into a table of the same columns and key, in one transaction."""
        specs = {
            place: TrainingSpec.model_validate(_SHARED | {"learning_rate": rate})
            for place, rate in enumerate(self._wanted["grid"]["learning_rate"])
        }
        parts, jobs = _fused(specs), [uuid7() for _ in specs]
        ids = [job for each in parts for job in jobs for _ in range(len(each) // len(jobs))]
        columns = join_columns(parts)
        rows, names = as_tuples(ids, columns.arrays()), ["job_id", *columns.arrays()]
        marks = ", ".join("?" * len(names))
        with self._database.writer.begin() as connection:
            connection.exec_driver_sql("DROP TABLE IF EXISTS bare")
            connection.exec_driver_sql(
                f"CREATE TABLE bare ({', '.join(names)}, PRIMARY KEY (job_id, epoch)) WITHOUT ROWID"
            )
        started = perf_counter()
        with self._database.writer.begin() as connection:
            connection.exec_driver_sql(f"INSERT INTO bare ({', '.join(names)}) VALUES ({marks})", rows)
        return perf_counter() - started

    def _claim(self, claim: Callable[..., Any], named: object) -> Any:
        with self._database.writing() as session:
            mine = claim(session, named, self._process.claimant)
            session.commit()
        return mine
