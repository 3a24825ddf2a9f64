"""How a command reaches its service, and how it ends where that does not go well.

Exit codes: 0, all went well; 1, the job did not succeed; 2, the service refused, or did not answer, or the command was
wrong; 130, Ctrl-C.
"""

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from slope.extras import how_to_add

if TYPE_CHECKING:
    from slope.client import Client

DEFAULT_URL = "http://127.0.0.1:8000"
INTERRUPTED = 130
_UNAUTHORIZED = 401

Url = Annotated[str, typer.Option(envvar="SLOPE_URL", help="Address of the service")]
Local = Annotated[bool, typer.Option("--local", help="Start a service for this command alone, and stop it afterwards")]


@contextmanager
def connected(url: str, *, local: bool = False) -> Iterator["Client"]:
    """A client. Ends with a sentence where the service refuses or does not answer, or a value cannot be."""
    from slope.client import Client

    with answering(url), _address(url, local=local) as address, Client(address) as client:
        yield client


@contextmanager
def answering(url: str, reword: Callable[[str], str] = str) -> Iterator[None]:
    """Ends with a sentence where the service refuses or does not answer, or a value cannot be.

    `reword` puts what the service says into words of the command.
    """
    from httpx2 import HTTPError

    from slope.client import Problem, UnexpectedAnswer

    try:
        yield
    except (Problem, UnexpectedAnswer, ValueError, OSError) as error:
        asks_for_key = isinstance(error, Problem) and error.status == _UNAUTHORIZED
        said = reword(str(error))
        fail(f"{said}\n  This command takes its key from SLOPE_API_KEY" if asks_for_key else said)
    except HTTPError as error:
        reason = error.__cause__ or error  # the client's own sentence is for programs
        fail(f"There is no answer from {url} ({reason}): start the service by `slope serve`, or name another by --url")


@contextmanager
def _address(url: str, *, local: bool) -> Iterator[str]:
    if not local:
        yield url
        return
    need_server()
    from service.commands.local import running_service

    with running_service() as address:
        yield address


def need_server() -> None:
    if importlib.util.find_spec("fastapi") is None or importlib.util.find_spec("torch") is None:
        fail(f"This command needs the server's parts: {how_to_add('server')}")


def fail(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(2)
