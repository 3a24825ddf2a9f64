"""Several workers on one database and one broker."""

import signal
from concurrent.futures import ThreadPoolExecutor

import httpx2

from e2e.jobs import endless, request, statuses
from e2e.processes import Program, until
from e2e.services import Cluster
from slope.answers.jobs import JobView
from slope.client import Client


def test_two_workers_share_fifty_jobs_and_train_each_once(cluster: Cluster, client: Client) -> None:
    ids: list[str] = []

    def trained() -> list[set[str]]:
        return [_trained_by(worker) & set(ids) for worker in cluster.workers]

    def both_have_trained() -> bool:
        """One may do everything while the other stands still: then there are fifty more."""
        ids.extend(threads.map(lambda _: str(client.submit(request(epochs=50)).id), range(50)))
        jobs.extend(threads.map(client.wait, ids[len(jobs) :]))
        return all(trained())

    with ThreadPoolExecutor(10) as threads:
        jobs: list[JobView] = []
        until(both_have_trained)
        epochs = list(threads.map(lambda job_id: [row.epoch for row in client.epochs(job_id)], ids))

    assert [statuses(job) for job in jobs] == len(ids) * [["queued", "running", "succeeded"]]
    assert {job.attempt for job in jobs} == {1}
    assert epochs == len(ids) * [list(range(50))]
    assert sorted(job_id for some in trained() for job_id in some) == sorted(ids)


def test_ten_clients_that_wait_for_their_posts_all_get_the_finished_job(cluster: Cluster) -> None:
    def post(_: int) -> httpx2.Response:
        return httpx2.post(f"{cluster.url}/v1/jobs", json=request(), headers={"Prefer": "wait=60"}, timeout=90)

    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(post, range(10)))
    assert [answer.status_code for answer in answers] == 10 * [200]
    assert [answer.json()["status"] for answer in answers] == 10 * ["succeeded"]


def test_a_job_for_a_device_that_nobody_has_waits_and_says_so(client: Client) -> None:
    job = client.submit(request() | {"device": "cuda:99"})
    assert job.status == "queued"
    assert job.reason == "No live worker has cuda:99; there is cpu"
    assert client.cancel(job.id).status == "cancelled"
    assert statuses(client.job(job.id)) == ["queued", "cancelled"]


def test_a_running_job_is_cancelled_and_keeps_its_records(client: Client) -> None:
    job_id = client.submit(endless()).id
    until(lambda: client.job(job_id).progress.epochs_done)
    client.cancel(job_id)
    job = client.wait(job_id)

    assert statuses(job) == ["queued", "running", "cancelled"]
    assert job.progress.epochs_done > 0
    assert next(client.epochs(job_id)).epoch == 0


def test_a_worker_that_is_told_to_end_hands_its_job_over_and_is_listed_as_gone(
    cluster: Cluster, client: Client
) -> None:
    job_id = str(client.submit(endless()).id)
    leaving = until(lambda: next((worker for worker in cluster.workers if job_id in _trained_by(worker)), None))
    until(lambda: _is_alive(cluster, leaving))

    assert leaving.end(signal.SIGTERM) == 0
    assert not _is_alive(cluster, leaving)
    until(lambda: statuses(client.job(job_id)) == ["queued", "running", "queued", "running"])
    client.cancel(job_id)
    assert client.wait(job_id).attempt == 2

    cluster.workers[cluster.workers.index(leaving)] = successor = cluster.add_worker()
    successor.until_logged("worker ready")


def _trained_by(worker: Program) -> set[str]:
    return {record["job_id"] for record in worker.logged("training")}


def _is_alive(cluster: Cluster, worker: Program) -> bool:
    """Whether the service lists the worker as alive."""
    workers = httpx2.get(f"{cluster.url}/v1/devices", timeout=60).json()["data"]
    return [each["alive"] for each in workers if each["process_id"] == worker.pid] == [True]
