"""A sweep request: one dataset, and many settings to train on it, one job each."""

import itertools
import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import to_json

from slope.spec.data import DatasetReference, InlineData, Rows
from slope.spec.faults import Location, invalid, sentence
from slope.spec.job import (
    MAX_PREDICT,
    Device,
    Folds,
    JobRequest,
    Metadata,
    Name,
    choose_dataset,
    refuse_misfits,
)
from slope.spec.names import no_such
from slope.spec.part import FewFaults, Part, Positive, refuse_overflow
from slope.spec.training import TrainingSpec

MAX_SETTINGS = 10_000
MAX_COPIED = 32 * 1024 * 1024
"""Most bytes that the jobs of a sweep may have of its request, each for itself, as JSON."""


def _refuse_unknown(named: Any) -> Any:
    """Before the values are checked: there may be millions of names."""
    for name in named if isinstance(named, dict) else ():
        if name not in TrainingSpec.model_fields:
            raise invalid((name,), no_such("hyperparameter", name, TrainingSpec.model_fields))
    return named


_HyperparametersOnly = BeforeValidator(_refuse_unknown)
Overrides = Annotated[dict[str, Any], _HyperparametersOnly]
Grid = Annotated[dict[str, Annotated[list[Any], Field(min_length=1)]], FewFaults, _HyperparametersOnly]


def _size(value: Any) -> int:
    return len(to_json(value, fallback=str))


class SweepRequest(Part):
    """Many training jobs on one dataset, that differ in hyperparameters."""

    name: Name | None = Field(default=None, examples=["rates"])
    """For people."""
    dataset: Annotated[InlineData | DatasetReference, BeforeValidator(choose_dataset)]
    """Rows, or a stored dataset."""
    hyperparameters: TrainingSpec = TrainingSpec()
    """What all jobs have in common."""
    grid: Grid | None = Field(default=None, examples=[{"learning_rate": [0.001, 0.01, 0.1], "l2": [0.0, 0.1]}])
    """Values of hyperparameters by name: a job for each combination."""
    settings: Annotated[list[Overrides], Field(min_length=1, max_length=MAX_SETTINGS), FewFaults] | None = None
    """Instead of a grid: the hyperparameters of each job that are its own."""
    predict: Rows = Field(default=[], max_length=MAX_PREDICT)
    """Points that every job predicts before and after training."""
    device: Device = "auto"
    """Where to train: `auto`, `cpu`, `cuda`, or `cuda:N`."""
    timeout_seconds: Positive | None = None
    """A job fails when it has not ended this long after it first began to run."""
    cross_validation: Folds | None = Field(default=None, examples=[5])
    """Into how many folds the rows are dealt, for every job; the ranking then goes by the errors of rows left out,
    unless rows are held back to validate with."""
    metadata: Metadata = {}
    """Given to every job."""

    @cached_property
    def jobs(self) -> list[JobRequest]:
        """One request for each setting, in the order of the settings; the last name of a grid varies fastest."""
        return [self._job(spec) for spec in self._specs]

    @property
    def swept(self) -> list[str]:
        """Names of the hyperparameters in which the jobs differ."""
        return sorted({name for overrides in [self.grid or {}, *(self.settings or [])] for name in overrides})

    def location(self, index: int, within: Location) -> Location:
        """Where the request says what the job with this index has there."""
        if within[:1] != ("hyperparameters",) or len(within) < 2:
            return within
        locations = next(itertools.islice(self._locations(), index, None))
        return (*locations[name], *within[2:]) if (name := str(within[1])) in locations else within

    @model_validator(mode="after")
    def _says_its_settings_one_way(self) -> Self:
        if (self.grid is None) == (self.settings is None):
            raise invalid((), 'A sweep has either a "grid" or "settings"')
        count = math.prod(map(len, (self.grid or {}).values()))
        if count > MAX_SETTINGS:
            raise invalid(("grid",), f"The grid has {count:,} combinations; {MAX_SETTINGS:,} are allowed")
        self._refuse_copies(count if self.grid is not None else len(self.settings or []))
        return self

    def _refuse_copies(self, count: int) -> None:
        """Before a job is made of each setting: a small request must not become a large sweep."""
        shared = self.model_dump(mode="json", include={"hyperparameters", "predict", "metadata"})
        sizes: dict[Location, int] = {(name,): len(to_json(value)) for name, value in shared.items()}
        for name, values in (self.grid or {}).items():
            sizes[("grid", name)] = max(map(_size, values))
        if (copied := count * sum(sizes.values())) > MAX_COPIED:
            detail = f"Each of the {count:,} jobs would have this for itself, {copied:,} bytes with all that they share"
            remedy = "send fewer settings, or less of this"
            raise invalid(max(sizes, key=sizes.__getitem__), f"{detail}; {MAX_COPIED:,} are allowed: {remedy}")

    @model_validator(mode="after")
    def _fits_its_data(self) -> Self:
        data = self.dataset
        for index, job in enumerate(
            self.jobs
        ):  # they are made here, whatever the data: what is wrong with one is reported
            if isinstance(data, InlineData):
                self.check(index, job, data.rows, data.width)
        if isinstance(data, InlineData):
            for dtype in {spec.dtype for spec in self._specs}:
                refuse_overflow(dtype, ("dataset",), {"x": data.x, "y": data.y})
        return self

    def check(self, index: int, job: JobRequest, rows: int, features: int) -> None:
        """Refuse a job that does not fit data of this size, blaming where this request says it."""
        try:
            refuse_misfits(job, rows, features)
        except ValidationError as error:
            [fault] = error.errors()
            raise invalid(self.location(index, fault["loc"]), fault["msg"]) from error

    @cached_property
    def _specs(self) -> list[TrainingSpec]:
        shared = self.hyperparameters.model_dump()
        return [
            self._spec(shared, overrides, locations)
            for overrides, locations in zip(self._overrides(), self._locations(), strict=True)
        ]

    def _spec(self, shared: Overrides, overrides: Overrides, locations: Mapping[str, Location]) -> TrainingSpec:
        try:
            return TrainingSpec.model_validate(shared | overrides)
        except ValidationError as error:
            fault = error.errors()[0]
            name, *rest = fault["loc"]
            location = locations.get(str(name), ("hyperparameters", name))
            raise invalid((*location, *rest), sentence(fault)) from error

    def _overrides(self) -> Iterator[Overrides]:
        if self.grid is None:
            yield from self.settings or []
            return
        for values in itertools.product(*self.grid.values()):
            yield dict(zip(self.grid, values, strict=True))

    def _locations(self) -> Iterator[dict[str, Location]]:
        """For each job: where the request says each of its own hyperparameters."""
        if self.grid is None:
            for index, overrides in enumerate(self.settings or []):
                yield {name: ("settings", index, name) for name in overrides}
            return
        for indices in itertools.product(*(range(len(values)) for values in self.grid.values())):
            yield {name: ("grid", name, index) for name, index in zip(self.grid, indices, strict=True)}

    def _job(self, spec: TrainingSpec) -> JobRequest:
        """Not validated again: its parts are."""
        return JobRequest.model_construct(
            name=self.name,
            dataset=self.dataset,
            hyperparameters=spec,
            predict=self.predict,
            device=self.device,
            timeout_seconds=self.timeout_seconds,
            cross_validation=self.cross_validation,
            metadata=self.metadata,
        )
