"""The synchronous client."""

from collections.abc import Callable, Iterator
from time import sleep
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
from slope.client.job import Job
from slope.client.methods import always, described, returned, within
from slope.client.problem import checked

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Item = TypeVar("Item")


def _run(
    call: Callable[Parameters, Call[Result]],
) -> Callable[Concatenate["Client", Parameters], Result]:
    def method(self: "Client", /, *args: Parameters.args, **options: Parameters.kwargs) -> Result:
        return self.run(call(*args, **options))

    return described(method, call, returned)


def _each(
    listing: Callable[Parameters, Listing[Item]],
) -> Callable[Concatenate["Client", Parameters], Iterator[Item]]:
    def method(self: "Client", /, *args: Parameters.args, **options: Parameters.kwargs) -> Iterator[Item]:
        pages = listing(*args, **options)
        following: str | None = ""
        while following is not None:
            page = self.run(pages.page(following))
            yield from page.data
            following = page.next

    return described(method, listing, within(Iterator))


def _save(
    download: Callable[Parameters, Download],
) -> Callable[Concatenate["Client", Parameters], None]:
    def method(self: "Client", /, *args: Parameters.args, **options: Parameters.kwargs) -> None:
        with addressed():
            self._fetch(download(*args, **options))

    return described(method, download, returned)


def _begin(
    call: Callable[Parameters, Call[JobView]],
) -> Callable[Concatenate["Client", Parameters], Job]:
    def method(self: "Client", /, *args: Parameters.args, **options: Parameters.kwargs) -> Job:
        return Job(self, self.run(call(*args, **options)))

    return described(method, call, always(Job))


class Client:
    """Talks to one service. Use it as a context manager, or close it.

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
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._http = httpx2.Client(**address.options(url, api_key, timeout, transport))
        self._retry_seconds = retry_seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give its connections back."""
        self._http.close()

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

    def watch(self, job_id: Id, timeout: float = 3600.0) -> Iterator[Told]:
        """A job's epochs, status changes and warnings as they happen, from its beginning to its end.

        Every one comes once, however often the connection is lost. Raises TimeoutError.
        """
        watching = Watching(job_id, timeout)
        while not watching.is_over:
            request = watching.request()
            sleep(request.delay)
            try:
                with self._http.stream(request.method, request.path, **request.arguments) as response:
                    if not response.is_success:
                        response.read()
                    watching.begun(response)
                    if response.is_success:
                        for line in response.iter_lines():
                            if (told := watching.told(line)) is not None:
                                yield told
            except LOST as error:
                watching.lost(error)

    def run(self, call: Call[Result]) -> Result:
        """Make the requests of a call."""
        steps = persistent(call, self._retry_seconds)
        try:
            request = next(steps)
            while True:
                try:
                    response = self._send(request)
                except TransportError as error:
                    request = steps.throw(error)
                else:
                    request = steps.send(response)
        except StopIteration as end:
            result: Result = end.value
            return result

    def _send(self, request: Request) -> httpx2.Response:
        sleep(request.delay)
        return self._http.request(request.method, request.path, **request.arguments)

    def _fetch(self, download: Download) -> None:
        request = download.request
        with self._http.stream(request.method, request.path, **request.arguments) as response:
            if not response.is_success:
                response.read()
            checked(response)
            with download.writing() as file:
                for chunk in response.iter_bytes():
                    file.write(chunk)
