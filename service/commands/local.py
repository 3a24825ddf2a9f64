"""A service of one's own, for as long as a command needs it."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep

from service.commands.supervisor import end_with_parent, python_of
from slope.answers.health import Readiness
from slope.client import Client

START_SECONDS = 300.0
"""A first start compiles the loops of trainings: ten seconds, or minutes where the machine is busy."""


@contextmanager
def running_service() -> Iterator[str]:
    """The address of a service that lives as long as the block, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="slope-local-") as folder:
        command = [*python_of("service.commands.cli"), "serve", "--port", "0", "--data-dir", folder]
        process = subprocess.Popen(
            command,
            env=os.environ | {"SLOPE_AUTH": "off"},  # it is this command's alone, on loopback
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
        try:
            url = _address(process)
            _wait_until_ready(url)
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=START_SECONDS)


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://\S+:\d+", line):
            return found[0]
    sys.exit("The service did not start: what stands above says why")


def _wait_until_ready(url: str) -> None:
    deadline = monotonic() + START_SECONDS
    with Client(url) as client:
        while (readiness := client.readiness()).status != "ready":
            if monotonic() > deadline:
                sys.exit(
                    f"The service was not ready after {START_SECONDS:.0f} s: there is no {_lacking(readiness)} yet."
                    " What stands above says why; where the machine is busy, try again"
                )
            sleep(0.1)


def _lacking(readiness: Readiness) -> str:
    parts = {
        "database": readiness.database,
        "storage": readiness.storage,
        "broker": readiness.broker,
        "worker": readiness.workers,
    }
    return ", ".join(name for name, is_there in parts.items() if not is_there)
