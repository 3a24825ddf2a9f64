"""An address that is told: a server in this process, which keeps what it is sent and answers as it is told."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Self

Json = dict[str, Any]


@dataclass(frozen=True)
class Received:
    """A message as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    sender: str
    """The address that it came from."""

    @property
    def document(self) -> Json:
        found: Json = json.loads(self.body)
        return found

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Answer:
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)


class Receiver:
    """Answers 204, or what `answers` is set to: it is called with each message, in a thread of that message's own."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.received: list[Received] = []
        self.answers: Callable[[Received], Answer] = lambda _: Answer()
        self._lock = Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(length := int(self.headers["content-length"]))
                if len(body) < length:  # whoever sent has been killed
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver._answer(self, Received(self.path, headers, body, self.client_address[0]))

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((address, 0), Handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://{self._server.server_address[0]}:{self.port}/slope"

    @property
    def types(self) -> list[str]:
        return [each.document["type"] for each in self.received]

    def _answer(self, handler: BaseHTTPRequestHandler, received: Received) -> None:
        with self._lock:
            self.received.append(received)
        answer = self.answers(received)
        try:
            handler.send_response(answer.status)
            for name, value in answer.headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        except OSError:  # whoever sent has been killed
            handler.close_connection = True
