"""`python -m service.api`: the HTTP process."""

import argparse
import gc
import resource
import socket
from asyncio import Protocol
from contextlib import suppress
from functools import partial
from threading import Thread
from time import sleep
from types import FrameType
from typing import cast

import uvicorn
from fastapi import FastAPI

from service import startup, tracing
from service.access.exposure import settle_auth
from service.api.app import create_app
from service.api.guards.bounds import bounds_of
from service.api.guards.http1 import BoundedProtocol, BoundedServer
from service.errors import ServiceError
from service.jobs import jobs
from service.settings import Settings
from service.store.database import Database
from slope.tabular.isolated import prepare_reader

_GRACE_SECONDS = 5
_MOST_DESCRIPTORS = 65_536
_SECONDS_TO_READER = 10
"""When the first process that reads files is started: whoever starts with us, as the worker, needs the processors."""


class Server(BoundedServer):
    """Lets go of everyone who waits as soon as it is told to end; an open event stream would hold it up."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        app = self.config.app
        app.state.watch.close()  # type: ignore[union-attr]
        super().handle_exit(sig, frame)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--fd", type=int, default=None, help="an open socket to listen on instead")
    parser.add_argument("--insecure", action="store_true", help="let everybody in, whatever the host")
    arguments = parser.parse_args()
    with startup.ending_in_a_sentence():
        settings = startup.begin()
        tracing.begin_tracing(settings, "api")
        if arguments.fd is None:  # else whoever opened the socket has settled it
            settings = _settled(settings, arguments.host, insecure=arguments.insecure)
        app = create_app(settings)
    Thread(target=_rehearse, args=(app,), daemon=True).start()
    config = uvicorn.Config(
        app,
        host=arguments.host,
        port=arguments.port,
        log_config=None,
        access_log=False,
        http=cast(type[Protocol], partial(BoundedProtocol, bounds_of(settings, _raise_descriptors()))),
        ws="none",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        server_header=False,
    )
    # uvicorn's own `fd` takes the socket for a Unix one and leaves Nagle's algorithm on: 40 ms an answer.
    with suppress(KeyboardInterrupt):  # uvicorn hands Ctrl-C on when all is done
        Server(config).run(None if arguments.fd is None else [socket.socket(fileno=arguments.fd)])


def _settled(settings: Settings, host: str, *, insecure: bool) -> Settings:
    database = Database(settings.database, fails_fast=True)
    try:
        return settings.model_copy(update={"auth": settle_auth(settings, database, host, insecure=insecure)})
    finally:
        database.dispose()


def _raise_descriptors() -> int:
    """Let this process have as many files and sockets open as it may, and tell how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return _MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def _rehearse(app: FastAPI) -> None:
    """What fails here fails for real requests too, which answer with it. What is loaded by then is never garbage."""
    state = app.state
    with suppress(ServiceError):
        state.queue.prepare()
        state.job_responses.rehearse(jobs.rehearse_submission(state.database, state.storage, state.settings))
    gc.collect()
    gc.freeze()  # a collection stops everybody for as long as it takes to look at all there is
    sleep(_SECONDS_TO_READER)
    prepare_reader()


if __name__ == "__main__":
    main()
