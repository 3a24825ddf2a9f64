"""A service whose parts run on hosts of their own: the API, two workers, and the database with the broker."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from conftest import _pgserver
from e2e.processes import Program
from e2e.services import Api, Broker

from faults.hosts import Host, Network, Ways
from faults.postgres import OwnPostgreSQL
from faults.stage import Stage

DATABASE_PORT, BROKER_PORT = 5432, 6379
NAMES = ("api", "services", "worker1", "worker2")


class SpreadStage(Stage):
    """We are on none of the hosts: a listener of ours and the sockets of the servers lead past every cut."""

    postgresql: OwnPostgreSQL

    def __init__(self, network: Network, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.network = network
        self.api_host, self.services, *self.worker_hosts = network.hosts
        self._programs: dict[Host, Program] = {}
        listen = ("--bind", self.services.address, "--port", str(BROKER_PORT), "--protected-mode", "no")
        self._broker = Broker(self.folder, self._socket_path, *listen)

    def add_api(self) -> Api:
        api = Api(self.folder, self.environment, self.api_host.inside)
        self._stack.enter_context(api.program)
        return api

    def add_worker(self, environment: dict[str, str] | None = None) -> Program:
        """On a host where none lives."""
        free = next(host for host in self.worker_hosts if not self._is_taken(host))
        with free.inside():
            self._programs[free] = super().add_worker(environment)
        return self._programs[free]

    def host_of(self, worker: Program) -> Host:
        return next(host for host, program in self._programs.items() if program is worker)

    @contextmanager
    def cut(self, *hosts: Host, ways: Ways = "both", port: int | None = None) -> Iterator[None]:
        """Between these hosts and the services: what they send (out), what they get (back); of one service, or both."""
        with ExitStack() as stack:
            for host in hosts:
                stack.enter_context(self.network.cut(host, self.services, ways, port))
            yield

    def _start_broker(self) -> None:
        with self.services.inside():
            super()._start_broker()

    def _addresses(self) -> dict[str, str]:
        return {
            "SLOPE_DATABASE_URL": self.postgresql.url_for_hosts,
            "SLOPE_BROKER_URL": f"redis://{self.services.address}:{BROKER_PORT}/0",
        }

    def _is_taken(self, host: Host) -> bool:
        return host in self._programs and self._programs[host].process.poll() is None


@contextmanager
def spread(folder: Path, socket_path: Path, **named: Any) -> Iterator[SpreadStage]:
    """All of it, until the block ends."""
    with (
        Network(*NAMES) as network,
        OwnPostgreSQL(socket_path.with_suffix(".pg"), _pgserver(folder), network.hosts[1]) as postgresql,
        SpreadStage(network, folder, socket_path, postgresql=postgresql, **named) as stage,
    ):
        yield stage
