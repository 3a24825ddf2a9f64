"""A TCP proxy on the loopback interface that can let connections go dead without closing them."""

import socket
from contextlib import suppress
from threading import Lock, Thread
from typing import Self

_CHUNK = 1 << 16


class Proxy:
    """Forwards to a Unix socket. Where nobody listens, a connection is closed as soon as it is made."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._lock = Lock()
        self._links: list[_Link] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._thread = Thread(target=self._accept, name="proxy", daemon=True)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.close_all()

    def cut(self) -> int:
        """Forward nothing more on the connections there are. Neither end is told: both are half-open from now on."""
        with self._lock:
            living = [link for link in self._links if not link.is_cut]
            for link in living:
                link.is_cut = True
        return len(living)

    def close_all(self) -> None:
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            link.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            upstream = socket.socket(socket.AF_UNIX)
            try:
                upstream.connect(self._target)
            except OSError:
                client.close()
                upstream.close()
                continue
            link = _Link(client, upstream)
            with self._lock:
                self._links = [*(link for link in self._links if link.is_open), link]
            link.start()


class _Link:
    """One connection and its continuation."""

    def __init__(self, client: socket.socket, upstream: socket.socket) -> None:
        self.is_cut = False
        self.is_open = True
        self._ends = (client, upstream)

    def start(self) -> None:
        client, upstream = self._ends
        for source, sink in ((client, upstream), (upstream, client)):
            Thread(target=self._pump, args=(source, sink), name="link", daemon=True).start()

    def close(self) -> None:
        self.is_open = False
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                if not self.is_cut:  # otherwise it gets lost on the way
                    sink.sendall(data)
        if not self.is_cut:
            self.close()
