"""A process that was asked to end does, though its main thread waits where no handler of signals runs."""

import signal
import subprocess
import sys

WAITING = """
import ctypes, signal
from worker import shutdown

shutdown._GRACE_SECONDS = 0.2
signal.signal(signal.SIGTERM, lambda *_: None)  # as Celery's: a flag that somebody has to look at
shutdown.ShutdownGuard(lambda: print("signed off", flush=True)).start()
print("waits", flush=True)
while True:
    ctypes.CDLL(None).sleep(60)
"""


def test_a_process_that_nobody_lets_go_ends_when_it_was_asked_to() -> None:
    with subprocess.Popen([sys.executable, "-c", WAITING], stdout=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout
        assert waiting.stdout.readline() == "waits\n"
        waiting.send_signal(signal.SIGTERM)
        told, _ = waiting.communicate(timeout=60)
    assert "signed off" in told
    assert waiting.returncode == 0
