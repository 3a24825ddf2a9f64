"""The asynchronous client: the calls of the synchronous one, awaited."""

from asyncio import sleep
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import wraps
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

import httpx2
from httpx2 import TransportError

from slope.client import alias_calls, calls, dataset_calls, graph_calls, statistics_calls, sweep_calls
from slope.client.client import LOOPBACK, TIMEOUT_SECONDS
from slope.client.exchange import Call, Download, Listing, Request, with_scheme
from slope.client.problem import Json, checked

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_DIRECT: dict[str, httpx2.AsyncBaseTransport | None] = dict.fromkeys(LOOPBACK)


def _run(
    call: Callable[Parameters, Call[Result]],
) -> Callable[Concatenate["AsyncClient", Parameters], Awaitable[Result]]:
    @wraps(call)
    async def method(self: "AsyncClient", /, *args: Parameters.args, **options: Parameters.kwargs) -> Result:
        steps = call(*args, **options)
        try:
            request = next(steps)
            while True:
                try:
                    response = await self._send(request)
                except TransportError as error:
                    request = steps.throw(error)
                else:
                    request = steps.send(response)
        except StopIteration as end:
            result: Result = end.value
            return result

    return method


def _each(
    listing: Callable[Parameters, Listing],
) -> Callable[Concatenate["AsyncClient", Parameters], AsyncIterator[Json]]:
    @wraps(listing)
    async def method(
        self: "AsyncClient", /, *args: Parameters.args, **options: Parameters.kwargs
    ) -> AsyncIterator[Json]:
        pages, following = listing(*args, **options), ""
        while following is not None:
            page = await self._page(pages, following)
            for item in page["data"]:
                yield item
            following = page["next"]

    return method


def _save(
    download: Callable[Parameters, Download],
) -> Callable[Concatenate["AsyncClient", Parameters], Awaitable[None]]:
    @wraps(download)
    async def method(self: "AsyncClient", /, *args: Parameters.args, **options: Parameters.kwargs) -> None:
        await self._fetch(download(*args, **options))

    return method


class AsyncClient:
    """Talks to one service. Use it as an asynchronous context manager, or close it."""

    def __init__(self, url: str = "http://127.0.0.1:8000") -> None:
        self._http = httpx2.AsyncClient(base_url=with_scheme(url), timeout=TIMEOUT_SECONDS, mounts=_DIRECT)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    submit = _run(calls.submit)
    plan = _run(calls.plan)
    job = _run(calls.job)
    wait = _run(calls.wait)
    cancel = _run(calls.cancel)
    pause = _run(calls.pause)
    resume = _run(calls.resume)
    rerun = _run(calls.rerun)
    describe = _run(calls.describe)
    cancel_jobs = _run(calls.cancel_jobs)
    delete_jobs = _run(calls.delete_jobs)
    delete = _run(calls.delete)
    jobs = _each(calls.jobs)
    put_alias = _run(alias_calls.put_alias)
    aliases = _each(alias_calls.aliases)
    delete_alias = _run(alias_calls.delete_alias)
    epochs = _each(calls.epochs)
    curve = _run(calls.curve)
    steps = _each(calls.steps)
    predictions = _run(calls.predictions)
    predict = _run(calls.predict)
    score = _run(calls.score)
    invoke = _run(calls.invoke)
    workers = _each(calls.workers)
    model = _run(calls.model)
    save_epochs = _save(calls.save_epochs)
    save_steps = _save(calls.save_steps)
    save_scores = _save(calls.save_scores)
    save_model = _save(calls.save_model)
    step_graph = _run(graph_calls.step_graph)
    step_tree = _run(graph_calls.step_tree)
    save_step_graph = _save(graph_calls.save_step_graph)
    audit = _run(graph_calls.audit)
    graph = _run(graph_calls.graph)
    statistics = _run(statistics_calls.statistics)
    statistics_table = _run(statistics_calls.statistics_table)
    influence = _run(statistics_calls.influence)
    influence_table = _run(statistics_calls.influence_table)
    path = _run(statistics_calls.path)
    upload = _run(dataset_calls.upload)
    dataset = _run(dataset_calls.dataset)
    datasets = _each(dataset_calls.datasets)
    dataset_rows = _each(dataset_calls.dataset_rows)
    sample_dataset = _run(dataset_calls.sample_dataset)
    delete_dataset = _run(dataset_calls.delete_dataset)
    submit_sweep = _run(sweep_calls.submit_sweep)
    sweep = _run(sweep_calls.sweep)
    sweeps = _each(sweep_calls.sweeps)
    ranking = _each(sweep_calls.ranking)
    wait_for_sweep = _run(sweep_calls.wait_for_sweep)
    cancel_sweep = _run(sweep_calls.cancel_sweep)
    delete_sweep = _run(sweep_calls.delete_sweep)
    readiness = _run(calls.readiness)

    _page = _run(Listing.page)

    async def _send(self, request: Request) -> httpx2.Response:
        await sleep(request.delay)
        return await self._http.request(request.method, request.path, **request.options)

    async def _fetch(self, download: Download) -> None:
        request = download.request
        async with self._http.stream(request.method, request.path, **request.options) as response:
            if response.is_error:
                await response.aread()
            checked(response)
            with download.writing() as file:
                async for chunk in response.aiter_bytes():
                    file.write(chunk)
