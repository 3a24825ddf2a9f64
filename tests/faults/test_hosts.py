"""Hosts that are cut off, some cases of `faults.cuts` each once, with real processes in network namespaces."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from select import select
from socket import create_connection, create_server

import pytest

from faults import cuts, hosts, neighbours, work
from faults.conftest import QUICK
from faults.cuts import Cut
from faults.hosts import Network, Ways
from faults.listening import Listener, listening
from faults.spread import SpreadStage, spread

SECONDS = 30.0
"""Generous: `make test-faults` measures, and this machine may have other things to do."""
COUNTS = {"requests"}
"""Figures that are no seconds."""


_MISSING = hosts.missing()
# In CI nothing is skipped for want of a tool: there these tests fail where there can be no hosts.
pytestmark = pytest.mark.skipif(_MISSING is not None and "CI" not in os.environ, reason=_MISSING or "")


@pytest.fixture(scope="module")
def _stage(tmp_path_factory: pytest.TempPathFactory, server_folder: Path) -> Iterator[SpreadStage]:
    with spread(tmp_path_factory.mktemp("hosts"), server_folder / "hosts.sock", workers=2, settings=QUICK) as stage:
        yield stage


@pytest.fixture(scope="module", autouse=True)
def listener(_stage: SpreadStage) -> Iterator[Listener]:
    """A webhook that something is to be sent to whenever a cut comes."""
    with listening(_stage) as listener:
        yield listener
        _stage.settle()


@pytest.fixture
def stage(_stage: SpreadStage) -> SpreadStage:
    _stage.settle()
    return _stage


CHOSEN: dict[str, Cut] = {
    "worker cut off, nothing comes in": partial(cuts.worker_cut_off, ways="back", seconds=5.0),
    "worker told to end while cut off": cuts.worker_ended_while_cut_off,
    "worker told to end while the broker is away": partial(
        cuts.worker_ended_while_cut_off, port=cuts.BROKER_PORT, seconds=1.0
    ),
    "database frozen": partial(cuts.database_frozen, seconds=5.5),
    "API cut off from the database": partial(cuts.api_cut_from_database, seconds=8.0),
    "API with an open stream cut off from the database": cuts.stream_cut_off,
    "workers cut off from the broker": partial(cuts.workers_cut_from_broker, seconds=2.0),
} | neighbours.NEIGHBOURS


@pytest.mark.parametrize("cut", CHOSEN.values(), ids=CHOSEN)
def test_no_cut_loses_or_repeats_a_record(stage: SpreadStage, cut: Cut) -> None:
    trial = cut(stage, work.long)

    assert trial.damage == work.Damage()
    assert (trial.recovery or 0.0) < SECONDS
    assert max((figure for name, figure in trial.figures.items() if name not in COUNTS), default=0.0) < SECONDS


def test_a_webhook_was_told_of_every_end_of_a_job_when_all_hosts_were_together_again(
    stage: SpreadStage, listener: Listener
) -> None:
    stage.inspect(stage.submit(work.small()), work.small)  # for want of another, where this test runs alone

    assert listener.damage() == work.Damage()
    assert listener.received


@pytest.mark.parametrize("ways", ["out", "back", "both"])
def test_what_is_cut_arrives_when_the_cut_is_over(ways: Ways) -> None:
    with Network("one", "other") as network:
        one, other = network.hosts
        with other.inside():
            listener = create_server((other.address, 0))
        port = listener.getsockname()[1]
        with one.inside():
            client = create_connection((other.address, port), SECONDS)
        server, _ = listener.accept()
        with listener, client, server:
            with network.cut(one, other, ways, port):
                client.sendall(b"out")
                server.sendall(b"back")
                arrived = {way for way, end in (("out", server), ("back", client)) if select([end], [], [], 0.3)[0]}
            assert arrived == {"out", "back"} - ({"out", "back"} if ways == "both" else {ways})
            assert server.recv(8) == b"out"
            assert client.recv(8) == b"back"
