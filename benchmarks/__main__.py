"""`python -m benchmarks [NAME ...]`: run the benchmarks that are named, or all."""

import sys

from benchmarks import (
    answers,
    crowd,
    descent,
    estimates,
    fits,
    full_batch,
    graph,
    ingest,
    job,
    loop,
    partitions,
    polls,
    recording,
    reduction,
    search,
    steps,
    stored,
    sweep,
)

_BENCHMARKS = {
    "loop": loop.run,
    "job": job.run,
    "crowd": crowd.run,
    "polls": polls.run,
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
    "estimates": estimates.run,
    "reduction": reduction.run,
    "partitions": partitions.run,
}


def main(names: list[str]) -> None:
    if unknown := set(names) - set(_BENCHMARKS):
        sys.exit(f"There is no benchmark {', '.join(sorted(unknown))}: choose from {', '.join(_BENCHMARKS)}")
    for name in names or _BENCHMARKS:
        _BENCHMARKS[name]()


if __name__ == "__main__":  # a process that is spawned imports this module, too
    main(sys.argv[1:])
