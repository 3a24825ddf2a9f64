"""`python -m worker SLOTS`: what `slope worker` starts."""

import sys

from worker.app import run

run(int(sys.argv[1]))
