"""The cross-validation of jobs that have trained: their rows are dealt to folds, in one look at all of them."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping

from service.errors import ClientGone
from service.statistics.passes import FOLDS, RowPasses
from service.statistics.training_rows import TrainingRows
from service.store.tables import Job
from slope.answers.metrics import CrossValidation
from slope.calling_off import called_off_when
from slope.reduced_rows import ReducedColumns
from slope.run import Interrupted
from slope.spec import TrainingSpec
from slope.statistics.cross_validation import cross_validate
from slope.statistics.folds import folds_of
from slope.statistics.shrinkage import Strength
from worker.process import Process, retry_while_away


def cross_validate_job(process: Process, job: Job, spec: TrainingSpec, pause: Callable[[], None]) -> CrossValidation:
    """Of a job that asked for it. Raises what `pause` does, which is called now and then."""
    return cross_validate_jobs(process, {0: job}, {0: spec}, pause)[0]


def cross_validate_jobs(
    process: Process, jobs: Mapping[int, Job], specs: Mapping[int, TrainingSpec], pause: Callable[[], None]
) -> dict[int, CrossValidation]:
    """Of jobs that train together, by place: the rows are looked at once for each seed. Raises as for one job."""
    found: dict[int, CrossValidation] = {}
    count = next(iter(jobs.values())).cross_validation
    assert count is not None  # they have asked for it
    dealt: dict[int, list[ReducedColumns] | None] = {}
    for places in _solved_together(specs):
        spec = specs[places[0]]
        if spec.seed not in dealt:
            dealt[spec.seed] = _deal(process, jobs[places[0]], count, pause)
        strengths = {place: Strength(specs[place].l1, specs[place].l2) for place in places}
        distinct = list(dict.fromkeys(strengths.values()))
        told = dict(zip(distinct, cross_validate(dealt[spec.seed], count, spec, distinct, pause), strict=True))
        found |= {place: told[strength] for place, strength in strengths.items()}
    return found


def _solved_together(specs: Mapping[int, TrainingSpec]) -> list[list[int]]:
    """Ridges share what is solved for them; of what is the same, one is solved."""
    alike: dict[Hashable, list[int]] = defaultdict(list)
    for place, spec in specs.items():
        is_ridge = spec.l2 > 0 and not spec.l1
        decay = getattr(spec.optimizer, "weight_decay", None)
        alike[spec.seed, spec.initial_bias, decay, "ridge" if is_ridge else (spec.l1, spec.l2)].append(place)
    return list(alike.values())


def _deal(process: Process, job: Job, count: int, pause: Callable[[], None]) -> list[ReducedColumns] | None:
    def look() -> list[ReducedColumns] | None:
        with process.database.reading() as session:
            rows = TrainingRows.of(session, session.merge(job, load=False))
        resources = (process.database, process.storage, process.queue, process.settings)
        return folds_of(RowPasses.for_worker(*resources, rows).find(f"{FOLDS}{count}", None))

    def has_to_stop() -> bool:
        try:
            pause()
        except Interrupted:
            return True
        return False

    try:
        with called_off_when(has_to_stop):
            return retry_while_away(look, process.stopping)
    except ClientGone as error:
        raise Interrupted from error
