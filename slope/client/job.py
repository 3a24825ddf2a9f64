"""Handles of a job: what is known of it, and what is done with it. Those of AsyncClient are the same, awaited."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, Self, TypeVar

from httpx2 import HTTPError

from slope.answers.jobs import JobView
from slope.answers.records import EpochView
from slope.client.calls import handles
from slope.client.exchange.exchange import Call, Id
from slope.client.exchange.watching import Told
from slope.client.handle import Handle
from slope.client.history.chart import job_html
from slope.client.methods import described, returned, within
from slope.client.problem import Problem, UnexpectedAnswer

if TYPE_CHECKING:
    from slope.client.history.progress import JobBar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
OnEpoch = Callable[[EpochView], object]


class _Client(Protocol):
    """What a job asks of the client that it came from."""

    def run(self, call: Call[Result]) -> Result: ...
    def watch(self, job_id: Id, timeout: float) -> Iterator[Told]: ...
    def job(self, job_id: Id) -> JobView: ...
    def save_epochs(self, job_id: Id, file: Path | str) -> None: ...


class _AsyncClient(Protocol):
    async def run(self, call: Call[Result]) -> Result: ...
    def watch(self, job_id: Id, timeout: float) -> AsyncIterator[Told]: ...


def _bar(wanted: bool) -> "JobBar | nullcontext[None]":
    if not wanted:
        return nullcontext()
    from slope.client.history.progress import JobBar

    return JobBar()


def _ignore(_: object) -> None:
    pass


def _run(
    call: Callable[Concatenate[Handle, Parameters], Call[Result]],
) -> Callable[Concatenate["Job", Parameters], Result]:
    def method(self: "Job", /, *args: Parameters.args, **options: Parameters.kwargs) -> Result:
        return self.client.run(call(self, *args, **options))

    return described(method, call, returned, takes_handle=True)


class Job(Handle):
    """A job of a `Client`, as the service last told it. `wait` brings it to its end."""

    def __init__(self, client: _Client, view: JobView) -> None:
        self.client = client
        self.view = view

    refresh = _run(handles.refresh)
    cancel = _run(handles.cancel)
    pause = _run(handles.pause)
    resume = _run(handles.resume)
    delete = _run(handles.delete)
    curve = _run(handles.curve)
    history = _run(handles.history)
    predict = _run(handles.predict)
    statistics = _run(handles.statistics)
    influence = _run(handles.influence)
    path = _run(handles.path)
    surface = _run(handles.surface)

    def watch(self, timeout: float = 3600.0) -> Iterator[Told]:
        """Epochs, status changes and warnings as they happen, from the job's beginning to its end.

        Every one comes once, however often the connection is lost. Raises TimeoutError.
        """
        yield from self.client.watch(self.id, timeout)
        self.refresh()

    def wait(self, timeout: float = 3600.0, *, on_epoch: OnEpoch | None = None, progress: bool = False) -> Self:
        """Wait for its end. Raises JobFailed where that is another than success, and TimeoutError.

        `on_epoch` is called with every epoch, once; `progress` shows a bar, in a terminal or a notebook.
        """
        with _bar(progress) as bar:
            show = bar.show if bar else _ignore
            if on_epoch is None:
                self.client.run(handles.until_ended(self, timeout, show))
            else:
                show(self.view)
                for event in self.watch(timeout):
                    if isinstance(event, EpochView):
                        if bar:
                            bar.show_epoch(event)
                        on_epoch(event)
        self.raise_unless_succeeded()
        return self

    def export_to_mlflow(self, tracking_uri: str, *, experiment: str = "slope") -> str:
        """Write it to a tracking server of MLflow, as a new run of an experiment. Gives the run's id.

        Raises ValueError where it has not ended, TrackingFailed, and ModuleNotFoundError without MLflow's libraries.
        """
        from slope.client.mlflow_runs import export_run

        return export_run(self.client, self.id, tracking_uri, experiment=experiment)

    def _repr_html_(self) -> str:
        try:
            return job_html(self.view, self.curve())
        except (Problem, UnexpectedAnswer, HTTPError):
            return job_html(self.view, [])


def _run_async(
    call: Callable[Concatenate[Handle, Parameters], Call[Result]],
) -> Callable[Concatenate["AsyncJob", Parameters], Awaitable[Result]]:
    async def method(self: "AsyncJob", /, *args: Parameters.args, **options: Parameters.kwargs) -> Result:
        return await self.client.run(call(self, *args, **options))

    return described(method, call, within(Awaitable), takes_handle=True)


class AsyncJob(Handle):
    """A job of an `AsyncClient`, as the service last told it. `wait` brings it to its end."""

    def __init__(self, client: _AsyncClient, view: JobView) -> None:
        self.client = client
        self.view = view

    refresh = _run_async(handles.refresh)
    cancel = _run_async(handles.cancel)
    pause = _run_async(handles.pause)
    resume = _run_async(handles.resume)
    delete = _run_async(handles.delete)
    curve = _run_async(handles.curve)
    history = _run_async(handles.history)
    predict = _run_async(handles.predict)
    statistics = _run_async(handles.statistics)
    influence = _run_async(handles.influence)
    path = _run_async(handles.path)
    surface = _run_async(handles.surface)

    async def watch(self, timeout: float = 3600.0) -> AsyncIterator[Told]:
        """Epochs, status changes and warnings as they happen, from the job's beginning to its end.

        Every one comes once, however often the connection is lost. Raises TimeoutError.
        """
        async for told in self.client.watch(self.id, timeout):
            yield told
        await self.refresh()

    async def wait(self, timeout: float = 3600.0, *, on_epoch: OnEpoch | None = None, progress: bool = False) -> Self:
        """Wait for its end. Raises JobFailed where that is another than success, and TimeoutError.

        `on_epoch` is called with every epoch, once; `progress` shows a bar, in a terminal or a notebook.
        """
        with _bar(progress) as bar:
            show = bar.show if bar else _ignore
            if on_epoch is None:
                await self.client.run(handles.until_ended(self, timeout, show))
            else:
                show(self.view)
                async for event in self.watch(timeout):
                    if isinstance(event, EpochView):
                        if bar:
                            bar.show_epoch(event)
                        on_epoch(event)
        self.raise_unless_succeeded()
        return self

    def _repr_html_(self) -> str:
        return job_html(self.view, [])
