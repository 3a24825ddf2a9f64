"""`python -m worker SLOTS`: what `slope worker` starts."""

import atexit
import gc
import os
import signal
import sys


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C just ends us, until Celery takes it over
    from service import startup

    with startup.ending_in_a_sentence():
        startup.begin()
        gc.disable()  # of what is loaded nothing is garbage: to look for some took a quarter of the time
        from worker.app import run_worker  # seconds of it

    gc.freeze()
    gc.enable()
    run_worker(int(sys.argv[1]))
    atexit._run_exitfuncs()
    os._exit(0)  # all is written: to take torch apart, object by object, would cost seconds of the grace period


main()
