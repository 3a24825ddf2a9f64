"""`slope serve`: put the parts of a whole service together on one machine."""

import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import structlog
from filelock import AcquireReturnProxy, FileLock, Timeout
from rich.console import Console

from service import addresses, private, startup
from service.access.exposure import Auth, key_command, settle_auth
from service.api.dashboard import NOT_BUILT, is_built
from service.commands import supervisor
from service.commands.supervisor import Supervisor
from service.settings import Settings
from service.storage import storage_at
from service.store import schema
from service.store.database import Database

console = Console(highlight=False, markup=False)
log = structlog.get_logger()

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy leads to our own address


@startup.ending_in_a_sentence()
def run_service(host: str, port: int, workers: int, *, insecure: bool = False) -> None:
    """Run broker, API and worker until SIGINT or SIGTERM. Exits with a sentence when it cannot."""
    settings = startup.begin()
    with _lock(settings.data_dir), supervisor.runtime_folder() as folder, _listen(host, port) as listener:
        database = Database(settings.database)
        schema.upgrade_schema(database, storage=storage_at(settings.storage))
        auth = settle_auth(settings, database, host, insecure=insecure)
        _supervise(settings, auth, host, listener, workers, folder)


def _lock(data_dir: Path) -> AcquireReturnProxy[FileLock]:
    try:
        private.make_folder(data_dir)
        return FileLock(data_dir / "serve.lock", mode=0o600, blocking=False).acquire()
    except Timeout:
        sys.exit(f"Another `slope serve` uses {data_dir}: end it, or name another folder with --data-dir")
    except OSError as error:
        sys.exit(f"Cannot write to {data_dir}: {error.strerror}")


def _listen(host: str, port: int) -> socket.socket:
    try:
        return supervisor.bind_socket(host, port)
    except OSError as error:
        sys.exit(f"Cannot listen on {host}:{port}: {error.strerror}. Name another port with --port; 0 takes a free one")


def _supervise(settings: Settings, auth: Auth, host: str, listener: socket.socket, workers: int, folder: Path) -> None:
    socket_path = folder / "broker.sock"
    broker_url = addresses.socket_url(socket_path)
    environment = os.environ | {"SLOPE_BROKER_URL": broker_url, "SLOPE_AUTH": auth}
    children = [
        supervisor.broker_child(socket_path, folder, settings.data_dir / "broker.log"),
        supervisor.api_child(listener, environment),
        supervisor.worker_child(workers, environment),
    ]
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listener.getsockname()[1]}"
    settings.embedded_broker.write_text(broker_url)  # for `slope doctor` and `slope jobs reap`
    Supervisor(children).run(on_poll=_announcer(address, settings, auth))
    settings.embedded_broker.unlink()
    console.print("Slope has ended.")


def _announcer(address: str, settings: Settings, auth: Auth) -> Callable[[], None]:
    """Tells the address and where the data is, once, when the API answers there."""
    announced = False

    def announce() -> None:
        nonlocal announced
        if not announced and _is_up(f"{address}/livez"):
            announced = True
            console.print(f"Slope listens on {address}, and all calls are at {address}/docs", soft_wrap=True)
            console.print(_admitted(auth, settings), soft_wrap=True)
            if not is_built():
                console.print(NOT_BUILT, soft_wrap=True)
            console.print(f"Its data is in {settings.data_dir}. Ctrl-C ends it.", soft_wrap=True)

    return announce


def _admitted(auth: Auth, settings: Settings) -> str:
    if auth == "off":
        return "Whoever reaches that address may do everything there (SLOPE_AUTH=off)."
    return f"Everybody is asked for a key (SLOPE_AUTH=required): `{key_command(settings, 'train')}` makes one."


def _is_up(url: str) -> bool:
    try:
        with _direct.open(url, timeout=1):
            return True
    except (OSError, urllib.error.URLError):
        return False
