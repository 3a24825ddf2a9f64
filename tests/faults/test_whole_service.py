"""`slope serve`, all of whose processes are killed. It needs no stage, and so another process may run it meanwhile."""

from pathlib import Path

from faults import matrix, work


def test_a_service_killed_with_all_its_processes_goes_on_when_it_is_started_again(tmp_path: Path) -> None:
    with matrix.ServeStage(tmp_path) as serve:
        trial = serve.trial()

    assert trial.damage == work.Damage()
