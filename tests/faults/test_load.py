"""A short load of many clients; `python -m faults.load` is the long one, with figures."""

from faults import load
from faults.stage import Stage


def test_streams_and_clients_in_a_closed_loop_see_no_error_and_every_job_is_accounted_for(stage: Stage) -> None:
    result = load.run(stage, 4.0, streams=60, clients=12)

    assert result.errors == []
    assert result.accepted
    assert result.all_accounted_for
    assert result.streams > 0
