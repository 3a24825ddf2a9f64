"""The faults. Each function does one to a service at a random moment and gives what came of it."""

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import monotonic
from uuid import UUID, uuid4

import httpx2
import psutil
from e2e.processes import Program, until

from faults import batches, calls, operations, work
from faults.stage import Stage, family_of, kill
from faults.trial import Fault, Make, Trial
from faults.work import Damage, Json, Remains

FAKETIME = next(map(str, Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), "")
"""Of Debian's package `faketime`; empty where that is not installed."""


def training_process_killed(stage: Stage, make: Make) -> Trial:
    job_id = stage.underway(make)
    return _after(stage, make, job_id, lambda: _kill(stage.trainer(job_id)))


def worker_main_killed(stage: Stage, make: Make) -> Trial:
    """Only the main process: Linux takes its children along."""
    job_id = stage.underway(make)
    worker = stage.worker_of(job_id)

    def fault() -> None:
        if worker:
            worker.process.kill()
            until(lambda: not worker.family())

    return _after(stage, make, job_id, fault)


def worker_family_killed(stage: Stage, make: Make) -> Trial:
    job_id = stage.underway(make)
    worker = stage.worker_of(job_id)
    return _after(stage, make, job_id, lambda: kill(*family_of(worker)) if worker else None)


def worker_terminated(stage: Stage, make: Make) -> Trial:
    """SIGTERM in the middle of the training: the job is handed on, and the worker is out in time."""
    job_id = stage.underway(make)
    worker = stage.worker_of(job_id)
    ended: list[float] = []

    def fault() -> None:
        if worker:
            started = monotonic()
            assert worker.end(signal.SIGTERM) == 0
            ended.append(monotonic() - started)

    trial = _after(stage, make, job_id, fault)
    assert not ended or ended[0] < 10, f"it took {ended[0]:.1f} s to end"
    assert work.row(stage.database, job_id).crashes == 0
    return trial


def host_frozen(stage: Stage, make: Make) -> Trial:
    """A worker stands still past its lease, as on a host that is gone, and wakes up to find its job another's."""
    job_id = stage.underway(make)
    worker = stage.worker_of(job_id)
    if worker is None:
        return Trial(stage.inspect(job_id, make))
    recovery = stage.seconds_to_next_epoch(job_id, lambda: _signal(worker, signal.SIGSTOP))
    stage.pause(1.0)  # it wakes up while the other trains, or when the other has ended
    _signal(worker, signal.SIGCONT)
    is_taken = work.row(stage.database, job_id).attempt > 1
    if is_taken:
        until(lambda: _gave_up(worker, job_id))
    damage = stage.inspect(job_id, make)
    return Trial(damage, recovery if is_taken else None)


def broker_emptied(stage: Stage, make: Make) -> Trial:
    return _bell_fault(stage, make, lambda: stage.broker.command("FLUSHALL"))


def broker_restarted(stage: Stage, make: Make) -> Trial:
    def restart() -> None:
        stage.broker.stop()
        stage.broker.start()

    return _bell_fault(stage, make, restart)


def broker_half_open(stage: Stage, make: Make) -> Trial:
    """The connections of all processes to the broker go dead, and nobody is told."""
    return _bell_fault(stage, make, lambda: _nothing(stage.proxy.cut()))


def database_restarted(stage: Stage, make: Make) -> Trial:
    """PostgreSQL ends as in a crash and comes back, while jobs run and others are posted."""
    assert stage.postgresql
    job_id = stage.underway(make)
    posting = ThreadPoolExecutor(2)
    later = [posting.submit(stage.submit, work.small()) for _ in range(4)]
    trial = _after(stage, make, job_id, stage.postgresql.restart)
    others = [stage.inspect(posted.result(), work.small) for posted in later]
    posting.shutdown()
    return Trial(sum(others, trial.damage), trial.recovery)


def delivered_five_times(stage: Stage, make: Make) -> Trial:
    job_id = stage.submit(make())
    for _ in range(5):
        stage.pause(0.2)
        assert stage.queue.ring(job_id, "auto")
    damage = stage.inspect(job_id, make)
    assert work.row(stage.database, job_id).attempt == 1
    return Trial(damage)


def posted_fifty_times(stage: Stage, make: Make) -> Trial:
    """All at once, with one key: one job."""
    key = str(uuid4())
    with ThreadPoolExecutor(50) as threads:
        ids = set(threads.map(lambda _: stage.submit(make(), key), range(50)))
    made = work.jobs_with_key(stage.database, key)
    damage = stage.inspect(made[0], make)
    return Trial(damage + Damage(duplicated=len(ids | set(made)) - 1))


def cancelled_at_the_finish(stage: Stage, make: Make) -> Trial:
    """The job ends one way or the other, and what it has recorded until then is right."""
    expected = stage.reference(make)
    job_id = stage.submit(make())
    until(lambda: work.recorded(stage.database, job_id) >= 0.75 * len(expected.epochs))
    stage.pause(0.5)
    answer = httpx2.post(f"{stage.api.url}/v1/jobs/{job_id}/cancel", timeout=30)
    status = stage.wait(job_id)
    assert (answer.status_code, status) in {(202, "cancelled"), (202, "succeeded"), (409, "succeeded")}
    if status == "succeeded":
        return Trial(stage.inspect(job_id, make))
    done = work.row(stage.database, job_id).epochs_done
    damage = work.rows_damage(Remains.of(stage.database, job_id), expected.upto(done))
    return Trial(damage + work.events_damage(stage.database, job_id))


def training_process_killed_after_going_on(stage: Stage, make: Make) -> Trial:
    """Of a job that went on from another with its optimizer's state, and the other is deleted by then."""
    source = stage.submit(make())
    stage.wait(source)

    def further() -> Json:
        return make() | {"initial_from": {"job": str(source), "optimizer_state": True}}

    job_id = stage.underway(further)
    assert httpx2.delete(f"{stage.api.url}/v1/jobs/{source}", timeout=30).status_code == 204
    return _after(stage, further, job_id, lambda: _kill(stage.trainer(job_id)))


def memory_exhausted(stage: Stage, make: Make) -> Trial:
    """A job too large for its process fails and says so; the process lives, and trains the next one."""
    trainers = [process for worker in stage.workers for process in worker.children()]
    kept = [process.rlimit(psutil.RLIMIT_AS) for process in trainers]
    for process, (_, hard) in zip(trainers, kept, strict=True):
        process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + 2**20, hard))
    large = stage.submit(work.large())
    status, job = stage.wait(large), work.row(stage.database, large)
    assert (status, job.error_code, job.crashes) == ("failed", "out_of_memory", 0), job.error_detail
    for process, limits in zip(trainers, kept, strict=True):
        process.rlimit(psutil.RLIMIT_AS, limits)
    trial = Trial(stage.inspect(stage.submit(make()), make))
    assert all(process.is_running() for process in trainers)
    return trial


def clocks_apart(stage: Stage, make: Make) -> Trial:
    """One worker's clock is ten minutes ahead, the other's ten minutes behind: only the database's counts."""
    former, stage.workers = stage.workers, [_skewed(stage, offset) for offset in ("+600", "-600")]
    stage.settle()
    for worker in former:
        worker.end(signal.SIGTERM)
    return worker_family_killed(stage, make)


def _skewed(stage: Stage, offset: str) -> Program:
    return stage.add_worker({"LD_PRELOAD": FAKETIME, "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"})


def _after(stage: Stage, make: Make, job_id: UUID, fault: Callable[[], None]) -> Trial:
    recovery = stage.seconds_to_next_epoch(job_id, fault)
    return Trial(stage.inspect(job_id, make), recovery)


def _bell_fault(stage: Stage, make: Make, fault: Callable[[], None]) -> Trial:
    """The job under way must not notice, and the next one must not wait long for a worker that has heard of it."""
    running = stage.underway(make)
    waiting = [stage.submit(work.small()) for _ in stage.workers]
    fault()
    started = monotonic()
    following = stage.submit(work.small())
    until(lambda: work.recorded(stage.database, following), 120)
    recovery = monotonic() - started
    damage = sum((stage.inspect(job_id, work.small) for job_id in (*waiting, following)), stage.inspect(running, make))
    assert work.row(stage.database, running).attempt == 1
    return Trial(damage, recovery)


def _kill(process: psutil.Process | None) -> None:
    if process:
        kill(process)


def _signal(worker: Program, number: int) -> None:
    for process in family_of(worker):
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _gave_up(worker: Program, job_id: UUID) -> bool:
    logged = ("the work is another attempt's now", "the attempt has ended the job", "put back into the queue")
    return any(record["job_id"] == str(job_id) for event in logged for record in worker.logged(event))


def _nothing(_: object) -> None:
    pass


FAULTS: dict[str, Fault] = {
    "training process killed": training_process_killed,
    "worker's main process killed": worker_main_killed,
    "all of a worker killed": worker_family_killed,
    "worker told to end (SIGTERM)": worker_terminated,
    "worker's host frozen past its lease": host_frozen,
    "broker emptied (FLUSHALL)": broker_emptied,
    "broker restarted": broker_restarted,
    "broker connections half-open": broker_half_open,
    "PostgreSQL restarted (immediate)": database_restarted,
    "API killed in a POST": calls.api_killed_in_a_post,
    "message delivered five times more": delivered_five_times,
    "50 POSTs with one key at once": posted_fifty_times,
    "cancelled at the finish": cancelled_at_the_finish,
    "training process killed in a pause": calls.training_process_killed_in_a_pause,
    "training process killed after going on from another job": training_process_killed_after_going_on,
    "API killed in a rerun": calls.api_killed_in_a_rerun,
    "API killed in a pause and in a resume": calls.api_killed_in_a_pause_and_in_a_resume,
    "memory exhausted": memory_exhausted,
    "training process killed with several jobs of one claim": batches.training_process_killed_with_a_batch,
    "training process killed with several groups of one claim": batches.training_process_killed_with_groups,
    "a backup killed": operations.backup_killed,
    "API and a worker replaced under load": operations.rolling_deployment,
} | ({"clocks 20 minutes apart, a worker killed": clocks_apart} if FAKETIME else {})
"""Clocks come last: the workers keep them."""
