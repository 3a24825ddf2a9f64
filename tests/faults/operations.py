"""What operators do to a service that works: faults may come in the middle of it, and nobody is to notice the rest."""

import signal
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

import httpx2
from e2e.processes import slope, until

from faults import work
from faults.stage import Stage, kill
from faults.trial import Make, Trial
from service.commands import supervisor
from service.errors import NotDone
from service.storage import Folder, storage_at
from service.upkeep.copies.backup import make_backup
from service.upkeep.copies.manifest import check_copy


def backup_killed(stage: Stage, make: Make) -> Trial:
    """What a backup that was killed has left is none, unless it is whole. No job notices, and the next one is whole."""
    job_id = stage.underway(make)
    place, again = (stage.folder / f"backup-{uuid4()}" for _ in range(2))
    with slope(stage.folder, "backup", str(place), environment=stage.environment) as program:
        until(lambda: place.exists() or program.process.poll() is not None)
        stage.pause(0.3)
        kill(*program.family())
    with suppress(NotDone):
        check_copy(Folder(place))
    assert (place / "manifest.json").exists() or program.process.returncode == -signal.SIGKILL
    made = make_backup(stage.database, storage_at(stage.environment["SLOPE_STORAGE_URL"]), Folder(again))
    assert check_copy(Folder(again)) == made
    assert made.rows_of("jobs") >= 1
    return Trial(stage.inspect(job_id, make))


def rolling_deployment(stage: Stage, make: Make) -> Trial:
    """APIs that share a socket and workers are replaced one after another, while clients post and ask."""
    with supervisor.bind_socket("127.0.0.1", 0) as listener:
        old = stage.replace_api(listener)
        job_id = stage.underway(make)
        with Clients(old.url, job_id) as clients:
            added = stage.add_worker()
            clients.have_asked(5)
            stage.replace_api(listener)
            clients.have_asked(5)
            worker = stage.worker_of(job_id) or stage.workers[0]
            added.until_logged("worker ready")
            assert worker.end(signal.SIGTERM) == 0
            stage.workers = [each for each in stage.workers if each is not worker] + [added]
            clients.have_asked(5)
    assert clients.refused == []
    damages = [stage.inspect(posted, work.small) for posted in clients.posted]
    return Trial(sum(damages, stage.inspect(job_id, make)), figures={"requests": float(clients.asked)})


class Clients:
    """Posts jobs and asks for one, over and over, each time on a new connection, as long as the block lasts."""

    def __init__(self, url: str, job_id: UUID) -> None:
        self._url = url
        self._job_id = job_id
        self.posted: list[UUID] = []
        self.refused: list[str] = []
        """What was answered with that no client may hear of."""
        self.asked = 0
        self._done = Event()
        self._threads = [Thread(target=self._repeat, args=(act,)) for act in (self._post, self._ask)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def have_asked(self, more: int) -> None:
        """Wait until they have asked this often again."""
        wanted = self.asked + more
        until(lambda: self.asked >= wanted)

    def _repeat(self, act: Callable[[], httpx2.Response]) -> None:
        while not self._done.wait(0.02):
            try:
                answer = act()
            except httpx2.HTTPError as error:
                self.refused.append(repr(error))
                continue
            self.asked += 1
            if answer.status_code >= 500 and not (answer.status_code == 503 and "retry-after" in answer.headers):
                self.refused.append(f"{answer.status_code} {answer.text}")

    def _post(self) -> httpx2.Response:
        answer = httpx2.post(f"{self._url}/v1/jobs", json=work.small(), timeout=30)
        if answer.status_code == 202:
            self.posted.append(UUID(answer.json()["id"]))
        self._done.wait(0.3)
        return answer

    def _ask(self) -> httpx2.Response:
        return httpx2.get(f"{self._url}/v1/jobs/{self._job_id}", timeout=30)
