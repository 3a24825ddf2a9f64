"""Cuts between hosts. Each function lets packets get lost for some time, without a word to anybody, and looks after it.

What it then tells as recovery counts from the moment when all packets arrive again, unless it says otherwise.
"""

import signal
from collections.abc import Callable
from functools import partial
from time import monotonic, sleep
from uuid import UUID

from e2e.processes import Program, until

from faults import work
from faults.hosts import Ways
from faults.probe import Probe, Reader
from faults.spread import BROKER_PORT, DATABASE_PORT, SpreadStage
from faults.stage import kill
from faults.trial import Trial
from faults.work import Damage, Json

Make = Callable[[], Json]
Cut = Callable[[SpreadStage, Make], Trial]

_LIMIT_SECONDS = 100.0
"""Seconds to wait for what comes back late: the figure tells how late."""
_DELAY, _LOSS = 0.1, 0.05
"""Of each packet, in each direction."""


def worker_cut_off(stage: SpreadStage, make: Make, *, ways: Ways = "both", seconds: float = 20.0) -> Trial:
    """Its job is taken by the other one; the recovery is its own: when it has begun to train again."""
    job_id = stage.underway(make)
    worker = stage.worker_of(job_id)
    if worker is None:
        return Trial(stage.inspect(job_id, make))
    with stage.cut(stage.host_of(worker), ways=ways):
        sleep(seconds)
        stage.pause(2.0)  # tries to reach what is cut off come in a rhythm of their own
    recovery = _seconds_to_train(stage, worker)
    return Trial(stage.inspect(job_id, make), recovery)


def worker_ended_while_cut_off(
    stage: SpreadStage, make: Make, *, ways: Ways = "both", port: int | None = None, seconds: float = 3.0
) -> Trial:
    """SIGTERM reaches a worker that reaches nobody. The recovery is the job's, from that moment, elsewhere."""
    job_id = stage.underway(make)
    worker = stage.worker_of(job_id)
    if worker is None:
        return Trial(stage.inspect(job_id, make))
    with stage.cut(stage.host_of(worker), ways=ways, port=port):
        sleep(seconds)
        started, before = monotonic(), work.recorded(stage.database, job_id)
        worker.process.send_signal(signal.SIGTERM)
        try:
            ended, recovery = _seconds_until(
                lambda: worker.process.poll() is not None, lambda: _has_gone_on(stage, job_id, before), since=started
            )
        finally:
            kill(*worker.family())
    assert worker.process.returncode == 0
    has_recorded = work.recorded(stage.database, job_id) > before
    return Trial(stage.inspect(job_id, make), recovery if has_recorded else None, {"seconds to end": ended})


def worker_cut_off_three_times(stage: SpreadStage, _: Make, *, seconds: float = 8.5) -> Trial:
    """Whichever worker has the job. It advances each time, and so it is not given up.

    The recovery is the longest from the begin of a cut.
    """
    make = work.lasting
    expected = len(stage.reference(make).epochs)
    job_id = stage.submit(make())
    recoveries = []
    for share in (0.05, 0.3, 0.55):
        until(lambda share=share: work.recorded(stage.database, job_id) > share * expected, _LIMIT_SECONDS)
        worker = until(lambda: stage.worker_of(job_id))
        with stage.cut(stage.host_of(worker)):
            started, before = monotonic(), work.recorded(stage.database, job_id)
            recoveries.append(_seconds_to_next_epoch(stage, job_id, started, before) or 0.0)
            sleep(max(0.0, started + seconds - monotonic()))
    stage.wait(job_id, _LIMIT_SECONDS)
    figures = {"attempts": float(work.row(stage.database, job_id).attempt)}
    return Trial(stage.inspect(job_id, make), max(recoveries), figures)


def services_cut_off(stage: SpreadStage, make: Make, *, ways: Ways = "both", seconds: float = 20.0) -> Trial:
    """Database and broker are away for everybody. No worker loses its job."""
    job_id = stage.underway(make)
    with stage.cut(stage.api_host, *stage.worker_hosts, ways=ways):
        sleep(seconds)
        stage.pause(2.0)  # tries to reach what is cut off come in a rhythm of their own
        before = work.recorded(stage.database, job_id)
    recovery = _seconds_to_next_epoch(stage, job_id, monotonic(), before)
    return _untaken(stage, job_id, Trial(stage.inspect(job_id, make), recovery))


def database_frozen(stage: SpreadStage, make: Make, *, seconds: float = 8.5) -> Trial:
    """It stands still for longer than a lease lasts, and takes no job from its healthy worker when it wakes up."""
    job_id = stage.underway(make)
    with stage.postgresql.frozen():
        sleep(seconds)
    thawed = monotonic()
    recovery = _seconds_to_next_epoch(stage, job_id, thawed, work.recorded(stage.database, job_id))
    return _untaken(stage, job_id, Trial(stage.inspect(job_id, make), recovery))


def api_cut_from_database(stage: SpreadStage, make: Make, *, ways: Ways = "both", seconds: float = 15.0) -> Trial:
    """Whatever is asked is answered, soon, by 503 and when to ask again; what was posted is there once, or never."""
    job_id = stage.underway(make)
    with Probe(stage.api.url, job_id) as probe:
        until(lambda: probe.all_are_well(0.0))
        with stage.cut(stage.api_host, ways=ways, port=DATABASE_PORT):
            sleep(seconds)
        whole = monotonic()
        until(lambda: probe.all_are_well(whole), _LIMIT_SECONDS)
        sleep(1.0)
    assert not probe.wrong(), probe.wrong()
    figures = {"slowest answer": probe.slowest(), "slowest /livez": probe.slowest("/livez")}
    damage = sum((_posted_damage(stage, *each) for each in probe.posted()), stage.inspect(job_id, make))
    return Trial(damage, probe.seconds_to_recover(whole), figures)


def stream_cut_off(stage: SpreadStage, make: Make, *, ways: Ways = "both") -> Trial:
    """An open stream of events ends as a stream should, and goes on where it was; the log has no traceback.

    The recovery counts from the moment when all packets arrive again to the first event.
    """
    job_id = stage.underway(make)
    first = Reader(stage.api.url, job_id)
    until(lambda: first.epochs)
    started = monotonic()
    with stage.cut(stage.api_host, ways=ways, port=DATABASE_PORT):
        until(lambda: first.has_ended, _LIMIT_SECONDS)
        ended = monotonic() - started
    second, recovery = _read_on(stage, job_id, first)
    assert not first.error, first.error
    assert "Traceback" not in stage.api.program.log, stage.api.program.log
    epochs = len(stage.reference(make).epochs)
    told = first.epochs + second.epochs
    damage = Damage(lost=epochs - len(set(told)), duplicated=len(told) - len(set(told)))
    return Trial(damage + stage.inspect(job_id, make), recovery, {"seconds to end": ended})


def workers_cut_from_broker(stage: SpreadStage, make: Make, *, ways: Ways = "both", seconds: float = 5.0) -> Trial:
    """They hear no bell and train all the same. The recovery is from the last POST to its first epoch."""
    running = stage.underway(make)
    with stage.cut(*stage.worker_hosts, ways=ways, port=BROKER_PORT):
        sleep(seconds)
        recovery, posted, slowest = _seconds_to_train_what_is_posted(stage)
        until(lambda: len(stage.api.readiness.get("without_broker", ())) == len(stage.worker_hosts))
    until(lambda: stage.api.is_ready, _LIMIT_SECONDS)
    damage = sum((stage.inspect(job_id, work.small) for job_id in posted), stage.inspect(running, make))
    return _untaken(stage, running, Trial(damage, recovery, {"slowest POST": slowest}))


def api_cut_from_broker(stage: SpreadStage, make: Make, *, ways: Ways = "both") -> Trial:
    """It cannot ring, and takes jobs all the same. The recovery is from the last POST to its first epoch."""
    running = stage.underway(make)
    with stage.cut(stage.api_host, ways=ways, port=BROKER_PORT):
        recovery, posted, slowest = _seconds_to_train_what_is_posted(stage)
        readiness = stage.api.readiness
    until(lambda: stage.api.is_ready, _LIMIT_SECONDS)
    damage = sum((stage.inspect(job_id, work.small) for job_id in posted), stage.inspect(running, make))
    assert readiness["status"] == "degraded", readiness
    return _untaken(stage, running, Trial(damage, recovery, {"slowest POST": slowest}))


def slow_line(stage: SpreadStage, _: Make) -> Trial:
    """All that goes to and from the services takes long, and some of it gets lost; training hardly waits for it."""
    make = work.lasting
    stage.reference(make)
    quick = stage.submit(make())
    undisturbed = _seconds_of_training(stage, quick)
    with stage.network.slowed(stage.folder, stage.services, _DELAY, _LOSS):
        job_id = stage.submit(make())
        taken = _seconds_of_training(stage, job_id)
    figures = {"seconds": taken, "without delay": undisturbed, "times as long": taken / undisturbed}
    return _untaken(stage, job_id, Trial(stage.inspect(job_id, make), None, figures))


def _read_on(stage: SpreadStage, job_id: UUID, first: Reader) -> tuple[Reader, float]:
    """Another reader that has come to the end, and how long it took until it was let in."""
    started = monotonic()
    second = until(lambda: _let_in(Reader(stage.api.url, job_id, first.position)), _LIMIT_SECONDS)
    recovery = monotonic() - started
    until(lambda: second.has_ended, _LIMIT_SECONDS)
    assert not second.error, second.error
    return second, recovery


def _let_in(reader: Reader) -> Reader | None:
    until(lambda: reader.status or reader.has_ended, _LIMIT_SECONDS)
    return reader if reader.status in (200, 204) else None


def _seconds_to_train(stage: SpreadStage, worker: Program) -> float:
    """Until a worker begins with another job, of which it is offered plenty."""
    started, before = monotonic(), len(worker.logged("training"))

    def has_begun() -> bool:
        stage.submit(work.small())
        return len(worker.logged("training")) > before

    until(has_begun, _LIMIT_SECONDS)
    return monotonic() - started


def _seconds_to_next_epoch(stage: SpreadStage, job_id: UUID, since: float, before: int) -> float | None:
    """Until more than `before` epochs stand in SQL; None when the job had nothing more to record."""
    until(lambda: _has_gone_on(stage, job_id, before), _LIMIT_SECONDS)
    return monotonic() - since if work.recorded(stage.database, job_id) > before else None


def _has_gone_on(stage: SpreadStage, job_id: UUID, before: int) -> bool:
    return work.recorded(stage.database, job_id) > before or work.row(stage.database, job_id).is_final


def _seconds_until(*conditions: Callable[[], bool], since: float) -> list[float]:
    """When each of them has come true."""
    moments: dict[int, float] = {}

    def all_have() -> bool:
        for number, condition in enumerate(conditions):
            if number not in moments and condition():
                moments[number] = monotonic() - since
        return len(moments) == len(conditions)

    until(all_have, _LIMIT_SECONDS)
    return [moments[number] for number in range(len(conditions))]


def _seconds_to_train_what_is_posted(stage: SpreadStage) -> tuple[float, list[UUID], float]:
    """From the last of some POSTs until all jobs have begun, their ids, and how long the slowest POST took."""
    posted, slowest = [], 0.0
    for _ in range(6):
        started = monotonic()
        posted.append(stage.submit(work.small()))
        slowest = max(slowest, monotonic() - started)
    started = monotonic()
    until(lambda: all(work.recorded(stage.database, job_id) for job_id in posted), _LIMIT_SECONDS)
    return monotonic() - started, posted, slowest


def _seconds_of_training(stage: SpreadStage, job_id: UUID) -> float:
    stage.wait(job_id, 2 * _LIMIT_SECONDS)
    job = work.row(stage.database, job_id)
    assert job.started_at
    assert job.finished_at
    return (job.finished_at - job.started_at).total_seconds()


def _posted_damage(stage: SpreadStage, key: str, told: UUID | None) -> Damage:
    """What was accepted is there once, with all its records; what was not may be there, for the answer may be lost."""
    made = work.jobs_with_key(stage.database, key)
    assert told is None or made == [told]
    return sum((stage.inspect(job_id, work.small) for job_id in made), Damage(duplicated=max(0, len(made) - 1)))


def _untaken(stage: SpreadStage, job_id: UUID, trial: Trial) -> Trial:
    assert work.row(stage.database, job_id).attempt == 1, "the job was taken from its healthy worker"
    return trial


def _each_way(name: str, cut: Callable[..., Trial], **named: object) -> dict[str, Cut]:
    """The cut both ways, and each way by itself."""
    ways: dict[Ways, str] = {"both": "", "out": ", nothing goes out", "back": ", nothing comes in"}
    return {name + told: partial(cut, ways=way, **named) for way, told in ways.items()}


CUTS: dict[str, Cut] = {
    **_each_way("worker cut off for 20 s", worker_cut_off),
    **_each_way("worker told to end (SIGTERM) while cut off", worker_ended_while_cut_off),
    **_each_way("worker told to end (SIGTERM) while the broker is away", worker_ended_while_cut_off, port=BROKER_PORT),
    "worker cut off for 8.5 s three times": worker_cut_off_three_times,
    **_each_way("database and broker cut off for 20 s", services_cut_off),
    "database frozen for 8.5 s": database_frozen,
    **_each_way("API cut off from the database for 15 s", api_cut_from_database),
    **_each_way("API with an open stream cut off from the database", stream_cut_off),
    **_each_way("workers cut off from the broker", workers_cut_from_broker),
    **_each_way("API cut off from the broker", api_cut_from_broker),
    "200 ms and 5 % loss": slow_line,
}
