"""The synchronous client."""

from collections.abc import Callable, Iterator
from time import sleep
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

import httpx2
from httpx2 import TransportError

from slope.answers.jobs import JobView
from slope.client import (
    address,
    alias_calls,
    calls,
    dataset_calls,
    graph_calls,
    key_calls,
    report_calls,
    statistics_calls,
    sweep_calls,
    training,
    webhook_calls,
)
from slope.client.exchange import Call, Download, Id, Listing, Request
from slope.client.job import Job
from slope.client.methods import always, described, returned, within
from slope.client.persistence import LOST, RETRY_SECONDS, persistent
from slope.client.problem import checked
from slope.client.watching import Told, Watching

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

    train = _begin(training.train)
    attach = _begin(training.attach)
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
    recorded_steps = _each(calls.recorded_steps)
    events = _each(calls.events)
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
    surface = _run(statistics_calls.surface)
    save_chart = _save(report_calls.save_chart)
    save_report = _save(report_calls.save_report)
    upload = _run(dataset_calls.upload)
    dataset = _run(dataset_calls.dataset)
    rename_dataset = _run(dataset_calls.rename_dataset)
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
    create_webhook = _run(webhook_calls.create_webhook)
    webhooks = _each(webhook_calls.webhooks)
    webhook = _run(webhook_calls.webhook)
    change_webhook = _run(webhook_calls.change_webhook)
    delete_webhook = _run(webhook_calls.delete_webhook)
    rotate_webhook_secret = _run(webhook_calls.rotate_webhook_secret)
    try_webhook = _run(webhook_calls.try_webhook)
    deliveries = _each(webhook_calls.deliveries)
    send_again = _run(webhook_calls.send_again)
    session = _run(key_calls.session)
    create_key = _run(key_calls.create_key)
    keys = _each(key_calls.keys)
    key = _run(key_calls.key)
    rotate_key = _run(key_calls.rotate_key)
    revoke_key = _run(key_calls.revoke_key)
    key_log = _each(key_calls.key_log)
    readiness = _run(calls.readiness)

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
