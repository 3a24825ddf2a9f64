"""Server-sent events and held-back answers over real connections, which break and end."""

import json
import signal
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from random import Random
from time import monotonic
from typing import Any, NamedTuple

import httpx2

from e2e.jobs import request, some_seconds
from e2e.processes import until
from e2e.services import Cluster
from slope.client import Client

GRACE_SECONDS = 5
"""What the API gives its open connections."""


class Told(NamedTuple):
    """One server-sent event."""

    id: str
    event: str
    data: dict[str, Any]


def test_a_stream_that_breaks_anywhere_tells_every_epoch_once(cluster: Cluster, client: Client) -> None:
    job_id, seen, chance = str(client.submit(some_seconds()).id), list[Told](), Random(4)
    while not seen or seen[-1].data.get("status") != "succeeded":
        position = {"Last-Event-ID": seen[-1].id} if seen else {}
        with httpx2.stream("GET", _events(cluster.url, job_id), headers=STREAM | position, timeout=30) as response:
            assert response.status_code == 200
            seen += _told(islice(response.iter_lines(), chance.randrange(100)))

    assert [told.data["epoch"] for told in seen if told.event == "epoch"] == list(range(100))
    assert [told.data["status"] for told in seen if told.event == "status"] == ["queued", "running", "succeeded"]
    end = httpx2.get(_events(cluster.url, job_id), headers=STREAM | {"Last-Event-ID": seen[-1].id}, timeout=60)
    assert end.status_code == 204


def test_an_api_with_an_open_stream_and_an_open_post_ends_within_its_grace_period(
    cluster: Cluster, client: Client
) -> None:
    api, nobodys = cluster.add_api().until_ready(), request() | {"device": "cuda:99"}
    job_id = str(client.submit(nobodys).id)
    with (
        ThreadPoolExecutor(1) as threads,
        httpx2.stream("GET", _events(api.url, job_id), headers=STREAM, timeout=60) as stream,
    ):
        post = threads.submit(
            httpx2.post, f"{api.url}/v1/jobs", json=nobodys, headers={"Prefer": "wait=60"}, timeout=60
        )
        held = until(lambda: [job for job in client.jobs(status="queued") if str(job.id) != job_id])
        lines = stream.iter_lines()
        begun = next(lines)  # it has been let in
        started = monotonic()
        assert api.program.end() == -signal.SIGTERM  # uvicorn hands it on when all is done
        assert monotonic() - started < GRACE_SECONDS + 5
        assert [told.event for told in _told(chain([begun], lines))] == ["status"]

    assert post.result().status_code == 202
    assert post.result().json()["id"] == str(held[0].id)
    for waiting in (job_id, held[0].id):
        client.cancel(waiting)


STREAM = {"Accept": "text/event-stream"}


def _events(url: str, job_id: str) -> str:
    return f"{url}/v1/jobs/{job_id}/events"


def _told(lines: Iterable[str]) -> list[Told]:
    """The events that arrived as a whole: an empty line ends each."""
    found, fields = [], dict[str, str]()
    for line in lines:
        name, _, value = line.partition(": ")
        if line == "" and "data" in fields:
            found.append(Told(fields["id"], fields["event"], json.loads(fields["data"])))
        fields = {} if line == "" else fields | {name: value}
    return found
