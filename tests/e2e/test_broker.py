"""The broker is only a bell: what it forgets is not lost."""

import json
from itertools import chain

import httpx2
from poison import NO_BELLS, ODD_BELLS

from e2e.jobs import endless, request, statuses
from e2e.processes import until
from e2e.services import Cluster
from slope.client import Client


def test_a_job_posted_while_the_broker_is_down_is_accepted_and_trained_when_it_is_back(
    cluster: Cluster, client: Client
) -> None:
    cluster.broker.stop()
    answer = httpx2.post(f"{cluster.url}/v1/jobs", json=request(), timeout=30)
    until(lambda: cluster.readiness.items() >= {"status": "degraded", "broker": False}.items())
    cluster.broker.start()

    assert answer.status_code == 202
    job = client.wait(answer.json()["id"])
    assert statuses(job) == ["queued", "running", "succeeded"]


def test_jobs_that_wait_while_the_broker_loses_everything_are_all_trained(cluster: Cluster, client: Client) -> None:
    blocking = [client.submit(endless()).id for _ in cluster.workers]
    until(lambda: all(client.job(job_id).status == "running" for job_id in blocking))
    waiting = [client.submit(request()).id for _ in range(10)]
    cluster.broker.command("FLUSHALL")
    waiting.append(client.submit(request()).id)
    for job_id in blocking:
        client.cancel(job_id)

    jobs = [client.wait(job_id) for job_id in waiting]
    assert [statuses(job) for job in jobs] == 11 * [["queued", "running", "succeeded"]]
    assert {job.attempt for job in jobs} == {1}


def test_whatever_lies_in_the_queue_the_workers_go_on(cluster: Cluster, client: Client) -> None:
    pids = [worker.pid for worker in cluster.workers]
    for message in chain(NO_BELLS.values(), ODD_BELLS.values()):
        cluster.broker.command("LPUSH", "slope.cpu", message)

    jobs = [client.wait(client.submit(request()).id) for _ in range(4)]

    def dropped() -> int:
        return sum(len(worker.logged("dropped a message that is no bell")) for worker in cluster.workers)

    assert [job.status for job in jobs] == ["succeeded"] * 4
    until(lambda: dropped() == len(NO_BELLS))
    until(lambda: cluster.broker.command("LLEN", "slope.cpu") == cluster.broker.command("HLEN", "unacked") == 0)
    assert [worker.pid for worker in cluster.workers if worker.process.poll() is None] == pids


def test_workers_obey_nobody_who_can_write_to_the_broker(cluster: Cluster, client: Client) -> None:
    order = {"method": "shutdown", "arguments": {}, "destination": None, "pattern": None, "matcher": None}
    properties = {"delivery_tag": "1", "delivery_info": {"exchange": "celery.pidbox", "routing_key": ""}}
    message = {"body": json.dumps(order), "headers": {}, "properties": properties, "content-type": "application/json"}

    assert cluster.broker.command("PUBLISH", "/0.celery.pidbox", json.dumps(message)) == 0, "nobody listens"

    assert client.wait(client.submit(request()).id).status == "succeeded"
