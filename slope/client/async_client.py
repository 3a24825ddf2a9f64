"""The asynchronous client: the calls of the synchronous one, awaited."""

from asyncio import sleep
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

import httpx2
from httpx2 import TransportError

from slope.answers.jobs import JobView
from slope.client import calls
from slope.client.exchange import address
from slope.client.exchange.exchange import Call, Download, Id, Listing, Request
from slope.client.exchange.persistence import LOST, RETRY_SECONDS, persistent
from slope.client.exchange.unreachable import addressed
from slope.client.exchange.watching import Told, Watching
from slope.client.job import AsyncJob
from slope.client.methods import always, described, within
from slope.client.problem import checked

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Item = TypeVar("Item")


def _run(
    call: Callable[Parameters, Call[Result]],
) -> Callable[Concatenate["AsyncClient", Parameters], Awaitable[Result]]:
    async def method(self: "AsyncClient", /, *args: Parameters.args, **options: Parameters.kwargs) -> Result:
        return await self.run(call(*args, **options))

    return described(method, call, within(Awaitable))


def _each(
    listing: Callable[Parameters, Listing[Item]],
) -> Callable[Concatenate["AsyncClient", Parameters], AsyncIterator[Item]]:
    async def method(
        self: "AsyncClient", /, *args: Parameters.args, **options: Parameters.kwargs
    ) -> AsyncIterator[Item]:
        pages = listing(*args, **options)
        following: str | None = ""
        while following is not None:
            page = await self.run(pages.page(following))
            for item in page.data:
                yield item
            following = page.next

    return described(method, listing, within(AsyncIterator))


def _save(
    download: Callable[Parameters, Download],
) -> Callable[Concatenate["AsyncClient", Parameters], Awaitable[None]]:
    async def method(self: "AsyncClient", /, *args: Parameters.args, **options: Parameters.kwargs) -> None:
        with addressed():
            await self._fetch(download(*args, **options))

    return described(method, download, within(Awaitable))


def _begin(
    call: Callable[Parameters, Call[JobView]],
) -> Callable[Concatenate["AsyncClient", Parameters], Awaitable[AsyncJob]]:
    async def method(self: "AsyncClient", /, *args: Parameters.args, **options: Parameters.kwargs) -> AsyncJob:
        return AsyncJob(self, await self.run(call(*args, **options)))

    return described(method, call, always(Awaitable[AsyncJob]))


class AsyncClient:
    """Talks to one service. Use it as an asynchronous context manager, or close it.

    `url` and `api_key` are as SLOPE_URL and SLOPE_API_KEY say where they are not given; the key is sent as a Bearer
    token. `timeout` is how long a request may take, in seconds; one that does no harm when it is made again is, for
    `retry_seconds`, while the service is away. `transport` is httpx2's, in the place of the network.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float = address.TIMEOUT_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx2.AsyncClient(**address.options(url, api_key, timeout, transport))
        self._retry_seconds = retry_seconds

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give its connections back."""
        await self._http.aclose()

    train = _begin(calls.training.train)
    attach = _begin(calls.training.attach)
    submit = _run(calls.jobs.submit)
    plan = _run(calls.jobs.plan)
    job = _run(calls.jobs.job)
    wait = _run(calls.jobs.wait)
    cancel = _run(calls.jobs.cancel)
    pause = _run(calls.jobs.pause)
    resume = _run(calls.jobs.resume)
    rerun = _run(calls.jobs.rerun)
    describe = _run(calls.jobs.describe)
    cancel_jobs = _run(calls.jobs.cancel_jobs)
    delete_jobs = _run(calls.jobs.delete_jobs)
    delete = _run(calls.jobs.delete)
    jobs = _each(calls.jobs.jobs)
    put_alias = _run(calls.aliases.put_alias)
    aliases = _each(calls.aliases.aliases)
    delete_alias = _run(calls.aliases.delete_alias)
    epochs = _each(calls.jobs.epochs)
    curve = _run(calls.jobs.curve)
    steps = _each(calls.jobs.steps)
    recorded_steps = _each(calls.jobs.recorded_steps)
    events = _each(calls.jobs.events)
    predictions = _run(calls.jobs.predictions)
    predict = _run(calls.jobs.predict)
    score = _run(calls.jobs.score)
    invoke = _run(calls.jobs.invoke)
    workers = _each(calls.jobs.workers)
    model = _run(calls.jobs.model)
    save_epochs = _save(calls.jobs.save_epochs)
    save_steps = _save(calls.jobs.save_steps)
    save_scores = _save(calls.jobs.save_scores)
    save_model = _save(calls.jobs.save_model)
    step_graph = _run(calls.graphs.step_graph)
    step_tree = _run(calls.graphs.step_tree)
    save_step_graph = _save(calls.graphs.save_step_graph)
    audit = _run(calls.graphs.audit)
    graph = _run(calls.graphs.graph)
    statistics = _run(calls.statistics.statistics)
    statistics_table = _run(calls.statistics.statistics_table)
    influence = _run(calls.statistics.influence)
    influence_table = _run(calls.statistics.influence_table)
    path = _run(calls.statistics.path)
    surface = _run(calls.statistics.surface)
    save_chart = _save(calls.reports.save_chart)
    save_report = _save(calls.reports.save_report)
    upload = _run(calls.datasets.upload)
    dataset = _run(calls.datasets.dataset)
    rename_dataset = _run(calls.datasets.rename_dataset)
    datasets = _each(calls.datasets.datasets)
    dataset_rows = _each(calls.datasets.dataset_rows)
    sample_dataset = _run(calls.datasets.sample_dataset)
    delete_dataset = _run(calls.datasets.delete_dataset)
    submit_sweep = _run(calls.sweeps.submit_sweep)
    sweep = _run(calls.sweeps.sweep)
    sweeps = _each(calls.sweeps.sweeps)
    ranking = _each(calls.sweeps.ranking)
    wait_for_sweep = _run(calls.sweeps.wait_for_sweep)
    cancel_sweep = _run(calls.sweeps.cancel_sweep)
    delete_sweep = _run(calls.sweeps.delete_sweep)
    create_webhook = _run(calls.webhooks.create_webhook)
    webhooks = _each(calls.webhooks.webhooks)
    webhook = _run(calls.webhooks.webhook)
    change_webhook = _run(calls.webhooks.change_webhook)
    delete_webhook = _run(calls.webhooks.delete_webhook)
    rotate_webhook_secret = _run(calls.webhooks.rotate_webhook_secret)
    try_webhook = _run(calls.webhooks.try_webhook)
    deliveries = _each(calls.webhooks.deliveries)
    send_again = _run(calls.webhooks.send_again)
    session = _run(calls.keys.session)
    create_key = _run(calls.keys.create_key)
    keys = _each(calls.keys.keys)
    key = _run(calls.keys.key)
    rotate_key = _run(calls.keys.rotate_key)
    revoke_key = _run(calls.keys.revoke_key)
    key_log = _each(calls.keys.key_log)
    readiness = _run(calls.jobs.readiness)

    async def watch(self, job_id: Id, timeout: float = 3600.0) -> AsyncIterator[Told]:
        """A job's epochs, status changes and warnings as they happen, from its beginning to its end.

        Every one comes once, however often the connection is lost. Raises TimeoutError.
        """
        watching = Watching(job_id, timeout)
        while not watching.is_over:
            request = watching.request()
            await sleep(request.delay)
            try:
                async with self._http.stream(request.method, request.path, **request.arguments) as response:
                    if not response.is_success:
                        await response.aread()
                    watching.begun(response)
                    if response.is_success:
                        async for line in response.aiter_lines():
                            if (told := watching.told(line)) is not None:
                                yield told
            except LOST as error:
                watching.lost(error)

    async def run(self, call: Call[Result]) -> Result:
        """Make the requests of a call."""
        steps = persistent(call, self._retry_seconds)
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

    async def _send(self, request: Request) -> httpx2.Response:
        await sleep(request.delay)
        return await self._http.request(request.method, request.path, **request.arguments)

    async def _fetch(self, download: Download) -> None:
        request = download.request
        async with self._http.stream(request.method, request.path, **request.arguments) as response:
            if not response.is_success:
                await response.aread()
            checked(response)
            with download.writing() as file:
                async for chunk in response.aiter_bytes():
                    file.write(chunk)
