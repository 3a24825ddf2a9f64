"""Hosts that share keys, messages and backups, and what one of them does while another is cut off."""

from contextlib import ExitStack
from threading import Event, Thread
from time import monotonic
from typing import Self
from uuid import uuid4

import httpx2
from e2e.processes import slope, until

from faults.copying import job_ids, new_place, restored_damage
from faults.cuts import Cut
from faults.listening import listening
from faults.operations import rolling_deployment
from faults.spread import DATABASE_PORT, SpreadStage
from faults.trial import Make, Trial
from faults.work import Damage
from service.access.door import TRUSTED_SECONDS
from service.access.keys import NewKey, create_key

_PAUSE = 0.02


class KeyHolder:
    """Shows a key to an API, over and over, as long as the block lasts."""

    def __init__(self, url: str, key: NewKey) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key.text}"}
        self._answers: list[tuple[float, int]] = []
        """When each was asked for, and its status."""
        self._done = Event()
        self._thread = Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def is_told(self, status: int) -> bool:
        return bool(self._answers) and self._answers[-1][1] == status

    def let_in_after(self, moment: float) -> list[float]:
        """How many seconds later it asked and was let in all the same."""
        return [asked - moment for asked, status in self._answers if status == 200 and asked > moment]

    def _ask(self) -> None:
        with httpx2.Client(base_url=self._url, headers=self._headers, timeout=30) as client:
            while not self._done.wait(_PAUSE):
                asked = monotonic()
                self._answers.append((asked, client.get("/v1/jobs?limit=1").status_code))


def key_revoked_elsewhere(stage: SpreadStage, _: Make) -> Trial:
    """One host revokes keys. Another lets in for a second more at most, also while it is cut off from the database."""
    other = stage.add_api({"SLOPE_AUTH": "required"}).until_ready()
    one, two = (create_key(stage.database, f"holder-{uuid4().hex[:8]}", "read") for _ in range(2))
    with KeyHolder(other.url, one) as first, KeyHolder(other.url, two) as second:
        until(lambda: first.is_told(200) and second.is_told(200))
        first_revoked = _revoke(stage, one)
        until(lambda: first.is_told(401))
        with stage.cut(stage.host_of(other.program), port=DATABASE_PORT):
            second_revoked = _revoke(stage, two)
            until(lambda: second.is_told(503))
        until(lambda: second.is_told(401))
    other.program.end()
    assert first.let_in_after(first_revoked + TRUSTED_SECONDS) == []
    assert second.let_in_after(second_revoked + TRUSTED_SECONDS) == []
    return Trial(Damage())


def sender_cut_off(stage: SpreadStage, make: Make) -> Trial:
    """A host sends a message and is cut off before it hears the answer: another one sends it again.

    Meanwhile a backup is taken on a third host, of a job that trains, or waits until it is taken from who is cut off.
    """
    stage.reference(make)
    with listening(stage) as listener, ExitStack() as cut:
        with listener.silent():
            job_id = stage.underway(make)
            first = until(lambda: next(iter(listener.received), None))
            assert first
            cut.enter_context(stage.cut(next(host for host in stage.worker_hosts if host.address == first.sender)))
        started, accepted, place = monotonic(), job_ids(stage.database), new_place(stage)
        with stage.api_host.inside():
            backup = cut.enter_context(slope(stage.folder, "backup", str(place), environment=stage.environment))
        until(lambda: listener.is_delivered(first.id))
        delivered = monotonic() - started
        assert backup.wait() == 0, backup.log
        cut.close()
        damage = stage.inspect(job_id, make) + restored_damage(stage, place, accepted) + listener.damage()
        assert listener.is_delivered(first.id), "who was cut off has noted that nobody answered"
    assert len({each.sender for each in listener.received if each.id == first.id}) == 2
    return Trial(damage, figures={"seconds to deliver": delivered})


def _revoke(stage: SpreadStage, key: NewKey) -> float:
    """When it was answered."""
    httpx2.post(f"{stage.api.url}/v1/keys/{key.key.id}/revoke", timeout=30).raise_for_status()
    return monotonic()


NEIGHBOURS: dict[str, Cut] = {
    "a key revoked while an API is cut off": key_revoked_elsewhere,
    "a worker cut off while it sends a message": sender_cut_off,
    "API and worker replaced on other hosts under load": rolling_deployment,
}
