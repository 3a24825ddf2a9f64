"""The application: routes, problems, documentation, and what lives as long as the process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog
from anyio import CapacityLimiter
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware

from service.access.audit import AuditLog
from service.access.door import Door
from service.api import problems
from service.api.dashboard import Dashboard
from service.api.document.openapi import ABOUT, complete_document
from service.api.guards import page_policy
from service.api.guards.access import AccessGuard, ScopeGuard
from service.api.guards.normalization import Addresses, Aliases, BodyLimit, Decoding, HeadAsGet, ListHeaders
from service.api.guards.observation import Observation, RequestTimes, RouteKeeper
from service.api.guards.origins import OriginGuard
from service.api.guards.own_methods import with_own_methods
from service.api.guards.route_guards import (
    THREADED_AT_ONCE,
    with_one_answer,
    with_strict_queries,
    with_threaded_bodies,
)
from service.api.lanes import Lane, Lanes
from service.api.polling.feeds import Feeds
from service.api.polling.responses import JobResponses
from service.api.polling.watch import Batches, JobWatch
from service.api.routes import (
    aliases,
    charts,
    dashboard,
    datasets,
    devices,
    events,
    graphs,
    health,
    job_lists,
    jobs,
    keys,
    kserve,
    mlflow,
    models,
    monitoring,
    plan,
    predictions,
    records,
    reports,
    session,
    start,
    statistics,
    sweeps,
    webhooks,
)
from service.api.turns import Turns
from service.jobs.intake import Intake
from service.monitoring.state import State
from service.queue import CeleryQueue, Queue, celery_app
from service.settings import Settings, get_settings
from service.storage import storage_at
from service.store.database import Database
from service.upkeep.chores import chores

_CHORES_SECONDS = 3600.0
_MOST_TOGETHER = 64
"""Jobs that one transaction accepts."""
_EXPOSED_HEADERS = (
    "Content-Disposition",
    "ETag",
    "Idempotency-Replayed",
    "Inference-Header-Content-Length",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
)
"""Headers of answers that pages of other origins can read."""

log = structlog.get_logger()


def create_app(settings: Settings | None = None, queue: Queue | None = None) -> FastAPI:
    """The ASGI application."""
    settings = settings or get_settings()
    app: FastAPI = FastAPIOffline(
        **ABOUT,
        redirect_slashes=False,
        swagger_ui_parameters={"validatorUrl": None},  # else the page shows a badge that another host draws
        servers=[{"url": settings.root_path or "/"}],
        lifespan=_lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # each request would look for what we have
    )
    page_policy.set_page_policies(app.routes)
    _begin_state(app, settings, queue)
    _guard(app, settings)
    problems.install_problems(app)
    _add_routes(app)
    complete_document(app)
    return app


def _begin_state(app: FastAPI, settings: Settings, queue: Queue | None) -> None:
    """What all requests of this process share."""
    state = app.state
    state.settings = settings
    state.request_times = RequestTimes()
    state.database = Database(settings.database, fails_fast=True)
    state.door = Door(state.database)
    state.storage = storage_at(settings.storage)
    state.queue = queue or CeleryQueue(celery_app(settings.broker))
    state.monitored = State(state.database, state.storage)
    state.watch = JobWatch(state.database)
    state.feeds = Feeds(state.database)
    state.dashboard = Dashboard()
    state.turns = Turns(settings.replays_at_once, settings.replays_waiting)
    state.lanes = Lanes(Lane(settings.searches_at_once), Lane(settings.replays_at_once))
    state.body_limiter = CapacityLimiter(THREADED_AT_ONCE)
    state.upload_limiter = CapacityLimiter(datasets.AT_ONCE)
    intake = Intake(state.database, state.storage, state.queue, settings)
    state.submissions = Batches(intake.submit, most=_MOST_TOGETHER)
    state.job_responses = JobResponses(state.database, state.watch)


def _guard(app: FastAPI, settings: Settings) -> None:
    """What a request passes before its route, from the inside out."""
    app.add_middleware(RouteKeeper)
    app.add_middleware(BodyLimit, max_size=settings.max_body_size, max_upload_size=settings.max_upload_size)
    for guard in (Aliases, Decoding, HeadAsGet, ListHeaders):
        app.add_middleware(guard)
    if settings.auth == "required":
        app.add_middleware(ScopeGuard)
    _bound_requests(app, settings)
    if settings.auth == "required":
        log_of_changes = AuditLog(app.state.database)
        app.add_middleware(AccessGuard, door=app.state.door, log=log_of_changes, scraper=settings.metrics_token)
    _open_to(app, settings, app.state.request_times)


def _add_routes(app: FastAPI) -> None:
    for noun in (
        job_lists,
        jobs,
        aliases,
        datasets,
        sweeps,
        plan,
        records,
        reports,
        charts,
        graphs,
        events,
        predictions,
        statistics,
        models,
        kserve,
        mlflow,
        devices,
        keys,
        session,
        webhooks,
        health,
        monitoring,
        start,
    ):
        # What is included is matched twice, router by router.
        routes = with_threaded_bodies(noun.router.routes, app.state.body_limiter)
        app.router.routes.extend(with_one_answer(with_strict_queries(routes)))
    app.router.routes.extend(dashboard.dashboard_routes())
    app.router.routes[:] = with_own_methods(app.router.routes)


def _bound_requests(app: FastAPI, settings: Settings) -> None:
    """What counts them is loaded only where there is a bound."""
    app.state.meter = None
    if settings.owner_requests:
        from service.api.guards.request_quota import Meter, RequestQuota

        app.state.meter = Meter(settings.owner_requests, settings.broker)
        app.add_middleware(RequestQuota, meter=app.state.meter)


def _open_to(app: FastAPI, settings: Settings, times: RequestTimes) -> None:
    """Let the pages of the origins that are listed use the API, and nobody in who may not. All who ask are seen."""
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            allow_private_network=True,
            expose_headers=_EXPOSED_HEADERS,
        )
    inside = app.build_middleware_stack
    # Outside of all, so that what answers unforeseen errors is guarded, too.
    app.build_middleware_stack = lambda: Observation(  # type: ignore[method-assign]
        Addresses(OriginGuard(inside(), settings.allowed_hosts, settings.allowed_origins), settings.root_path), times
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    watching, collecting = asyncio.create_task(app.state.watch.run()), asyncio.create_task(_do_chores_hourly(app))
    log.info("api ready")
    yield
    app.state.watch.close()
    await asyncio.gather(watching, collecting)
    if app.state.meter:
        await app.state.meter.close()
    app.state.database.dispose()


async def _do_chores_hourly(app: FastAPI) -> None:
    """In this process, for it does not fork: a library with threads of its own would not survive that."""
    state = app.state
    closing: asyncio.Event = state.watch.closing
    while not closing.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(closing.wait(), _CHORES_SECONDS)
            return
        for name, chore in chores(state.database, state.storage, state.settings, closing.is_set):
            try:
                await run_in_threadpool(chore)
            except Exception as error:  # whatever it was: the others are done, and in an hour it may go better
                log.warning("a chore failed; it is done again in an hour", chore=name, error=repr(error))
