"""Every kind of fault once, with real processes. `make test-faults` does each of them at many random moments."""

from collections.abc import Iterator
from functools import partial

import pytest

from faults import calls, kinds, soak, work
from faults.copying import with_backup
from faults.kinds import FAULTS, clocks_apart, training_process_killed
from faults.listening import Listener, listening
from faults.stage import Stage
from faults.trial import Fault

RECOVERY_SECONDS = 30.0
"""Generous: `make test-faults` measures, and this machine may have other things to do."""


WITH_BACKUP: set[Fault] = {
    kinds.training_process_killed,
    kinds.worker_main_killed,
    kinds.broker_restarted,
    kinds.database_restarted,
    calls.api_killed_in_a_post,
}
"""Every process once: a backup is taken meanwhile. `faults.operations` kills the backup itself."""


@pytest.fixture(scope="module", autouse=True)
def listener(_stage: Stage) -> Iterator[Listener]:
    """A webhook that something is to be sent to whenever a fault comes."""
    _stage.settle()
    with listening(_stage) as listener:
        yield listener
        _stage.settle()


ONCE = {name: fault for name, fault in FAULTS.items() if fault is not clocks_apart}
"""Two more workers would have to start for the clocks, which test_recovery.py looks at in one process."""


@pytest.mark.parametrize("number", range(len(ONCE)), ids=list(ONCE))
def test_no_fault_loses_or_repeats_a_record(stage: Stage, number: int) -> None:
    fault: Fault = list(ONCE.values())[number]
    trial = (with_backup(fault) if fault in WITH_BACKUP else fault)(stage, work.detailed if number % 2 else work.long)

    assert trial.damage == work.Damage()
    assert (trial.recovery or 0.0) < RECOVERY_SECONDS


BY_ENGINE = {engine: partial(work.of_engine, engine) for engine in work.ENGINES}


@pytest.mark.parametrize("engine", work.ENGINES)
def test_no_engine_loses_or_repeats_a_record_when_its_process_is_killed(stage: Stage, engine: str) -> None:
    trial = training_process_killed(stage, BY_ENGINE[engine])

    assert trial.damage == work.Damage()


def test_a_crowd_of_jobs_succeeds_while_processes_are_killed(stage: Stage) -> None:
    result = soak.run(stage, jobs=40)

    assert result.is_well, str(result)


def test_a_webhook_was_told_of_every_end_of_a_job_in_spite_of_all_these_faults(
    stage: Stage, listener: Listener
) -> None:
    stage.inspect(stage.submit(work.small()), work.small)  # for want of another, where this test runs alone

    assert listener.damage() == work.Damage()
    assert listener.received
