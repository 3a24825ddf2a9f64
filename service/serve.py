"""`slope serve`: put the parts of a whole service together on one machine."""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import structlog
from filelock import FileLock, Timeout
from rich.console import Console

from service import logs, supervisor
from service.settings import Settings, get_settings
from service.store import schema
from service.store.database import Database
from service.supervisor import Supervisor

console = Console(highlight=False)
log = structlog.get_logger()


def serve(host: str, port: int, workers: int) -> None:
    """Run broker, API and worker until SIGINT or SIGTERM. Exits with a sentence when it cannot."""
    settings = get_settings()
    logs.configure(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(settings.data_dir / "serve.lock", blocking=False), supervisor.runtime_folder() as folder:
            schema.upgrade(Database(settings.database))
            _supervise(settings, host, port, workers, folder)
    except Timeout:
        sys.exit(f"Another `slope serve` uses {settings.data_dir}: end it, or name another folder with --data-dir")
    except OSError as error:
        sys.exit(f"Cannot listen on {host}:{port}: {error.strerror}")


def _supervise(settings: Settings, host: str, port: int, workers: int, folder: Path) -> None:
    listener = supervisor.listen(host, port)
    socket_path = folder / "broker.sock"
    broker_url = f"redis+socket://{socket_path}"
    environment = os.environ | {"SLOPE_BROKER_URL": broker_url}
    children = [
        supervisor.broker(socket_path, folder),
        supervisor.api(listener, environment),
        supervisor.worker(workers, environment),
    ]
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listener.getsockname()[1]}"
    settings.embedded_broker.write_text(broker_url)  # for `slope doctor` and `slope jobs reap`
    Supervisor(children).run(on_poll=_announcer(address))
    settings.embedded_broker.unlink()
    console.print("Slope has ended.")


def _announcer(address: str) -> Callable[[], None]:
    """Tells the address, once, when the API answers there."""
    told = False

    def announce() -> None:
        nonlocal told
        if not told and _answers(f"{address}/livez"):
            told = True
            console.print(f"Slope listens on {address} (documentation at {address}/docs). Ctrl-C ends it.")

    return announce


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):  # noqa: S310  # our own address
            return True
    except (OSError, urllib.error.URLError):
        return False
