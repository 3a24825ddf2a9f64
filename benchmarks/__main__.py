"""`python -m benchmarks [NAME ...]`: run the benchmarks that are named, or all.

All of them together write down what they found, for the documentation: docs/explanation/benchmarks.json.
"""

import sys
from time import monotonic

from benchmarks import (
    answers,
    crowd,
    dashboard,
    descent,
    estimates,
    fits,
    full_batch,
    graph,
    ingest,
    job,
    loop,
    one_pass,
    partitions,
    polls,
    recording,
    reduction,
    scaling,
    search,
    steps,
    stored,
    sweep,
)
from benchmarks.results import write_results

_BENCHMARKS = {
    "loop": loop.run,
    "job": job.run,
    "crowd": crowd.run,
    "polls": polls.run,
    "dashboard": dashboard.run,
    "graph": graph.run,
    "ingest": ingest.run,
    "sweep": sweep.run,
    "search": search.run,
    "recording": recording.run,
    "answers": answers.run,
    "descent": descent.run,
    "steps": steps.run,
    "stored": stored.run,
    "full_batch": full_batch.run,
    "fits": fits.run,
    "one_pass": one_pass.run,
    "estimates": estimates.run,
    "reduction": reduction.run,
    "partitions": partitions.run,
    "scaling": scaling.run,
}


def main(names: list[str]) -> None:
    if unknown := set(names) - set(_BENCHMARKS):
        sys.exit(f"There is no benchmark {', '.join(sorted(unknown))}: choose from {', '.join(_BENCHMARKS)}")
    started = monotonic()
    for name in names or _BENCHMARKS:
        _BENCHMARKS[name]()
    if not names:
        write_results(monotonic() - started)


if __name__ == "__main__":  # a process that is spawned imports this module, too
    main(sys.argv[1:])
