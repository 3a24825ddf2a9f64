"""A service whose parts run on hosts of their own: the API, two workers, and the database with the broker."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import socket
from typing import Any

from conftest import _pgserver
from e2e.processes import Program
from e2e.services import Api, Broker, Place
from integration.webhooks.receiver import Receiver

from faults.hosts import Host, Network, Ways
from faults.postgres import OwnPostgreSQL
from faults.stage import Stage

DATABASE_PORT, BROKER_PORT = 5432, 6379
NAMES = ("services", "api1", "api2", "worker1", "worker2", "worker3")
"""There is room for one more API and one more worker than there are, to replace others."""


class SpreadStage(Stage):
    """We are on none of the hosts: a listener of ours and the sockets of the servers lead past every cut."""

    postgresql: OwnPostgreSQL

    def __init__(self, network: Network, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.network = network
        self.services, *rest = network.hosts
        self._api_hosts = [host for host in rest if host.name.startswith("api")]
        self._worker_hosts = [host for host in rest if host.name.startswith("worker")]
        self._programs: dict[Host, Program] = {}
        listen = ("--bind", self.services.address, "--port", str(BROKER_PORT), "--protected-mode", "no")
        self._broker = Broker(self.folder, self._socket_path, *listen)

    @property
    def api_host(self) -> Host:
        return self.host_of(self.api.program)

    @property
    def worker_hosts(self) -> list[Host]:
        return list(map(self.host_of, self.workers))

    def receiver(self) -> Receiver:
        with self.services.inside():
            return Receiver(self.services.address)

    def add_api(
        self, environment: dict[str, str] | None = None, *, shared: socket | None = None, place: Place | None = None
    ) -> Api:
        """On a host where none lives."""
        free = self._free(self._api_hosts)
        api = super().add_api(environment, shared=shared, place=place or free.inside)
        self._programs[free] = api.program
        return api

    def add_worker(self, environment: dict[str, str] | None = None) -> Program:
        """On a host where none lives."""
        free = self._free(self._worker_hosts)
        with free.inside():
            self._programs[free] = super().add_worker(environment)
        return self._programs[free]

    def host_of(self, started: Program) -> Host:
        return next(host for host, program in self._programs.items() if program is started)

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

    def _free(self, hosts: list[Host]) -> Host:
        return next(host for host in hosts if not self._is_taken(host))

    def _is_taken(self, host: Host) -> bool:
        return host in self._programs and self._programs[host].process.poll() is None


@contextmanager
def spread(folder: Path, socket_path: Path, **named: Any) -> Iterator[SpreadStage]:
    """All of it, until the block ends."""
    with (
        Network(*NAMES) as network,
        OwnPostgreSQL(socket_path.with_suffix(".pg"), _pgserver(folder), network.hosts[0]) as postgresql,
        SpreadStage(network, folder, socket_path, postgresql=postgresql, **named) as stage,
    ):
        yield stage
