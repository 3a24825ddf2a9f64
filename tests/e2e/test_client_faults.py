"""A client on a real service whose answers are lost, whose connections break, and whose API is killed."""

import signal
from threading import Timer
from urllib.parse import urlsplit

import httpx2
from faults.proxy import Proxy

from e2e.jobs import some_seconds
from e2e.services import Api, Cluster
from slope.answers.events import EventView
from slope.answers.records import EpochView
from slope.client import Client

NAME = "through a bad network"


class Unsteady(httpx2.HTTPTransport):
    """Of three requests one finds the service busy, and of one the answer is lost after the service has acted."""

    def __init__(self) -> None:
        super().__init__()
        self._made = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self._made += 1
        if self._made % 3 == 1:
            return httpx2.Response(503, headers={"Retry-After": "0"}, request=request)
        response = super().handle_request(request)
        if self._made % 3 == 2 and request.method == "POST":
            response.read()
            raise httpx2.ReadError("the answer is lost", request=request)
        return response


def address_of(api: Api) -> tuple[str, int]:
    parts = urlsplit(api.url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


def test_no_epoch_is_lost_or_doubled_and_no_second_job_made(cluster: Cluster, client: Client) -> None:
    first, second = cluster.add_api(), cluster.add_api()
    for api in (first, second):
        api.until_ready()
    wanted, epochs, statuses = some_seconds(), list[int](), list[str | None]()
    with (
        Proxy(address_of(first)) as proxy,
        Client(f"http://127.0.0.1:{proxy.port}", transport=Unsteady()) as unlucky,
    ):
        data = wanted["dataset"]
        job = unlucky.train(data["x"], data["y"], name=NAME, **wanted["hyperparameters"])
        for event in job.watch():
            if isinstance(event, EventView):
                statuses.append(event.status)
                continue
            epochs.append(event.epoch)
            if event.epoch in (10, 30):
                proxy.close_all()
            elif event.epoch == 50:
                first.program.end(signal.SIGKILL)
                Timer(0.5, lambda: setattr(proxy, "_target", address_of(second))).start()

    assert epochs == list(range(100))
    assert statuses == ["queued", "running", "succeeded"]
    assert job.status == "succeeded"
    assert [each.id for each in client.jobs(name=NAME)] == [job.id]
    assert [each.epoch for each in client.watch(job.id) if isinstance(each, EpochView)] == epochs
    second.program.end()
