"""A TCP proxy on the loopback interface that can let connections go dead without closing them, and can be slow."""

import socket
from contextlib import suppress
from queue import SimpleQueue
from threading import Event, Lock, Thread
from time import monotonic, sleep
from typing import Self

_CHUNK = 1 << 16


class Proxy:
    """Forwards to a socket. Where nobody listens, a connection is closed as soon as it is made."""

    def __init__(self, target: str | tuple[str, int]) -> None:
        """`target` is the path of a Unix socket, or an address."""
        self._target = target
        self.delay = 0.0
        """Seconds that everything is under way, there and back each."""
        self._flows = Event()
        self._flows.set()
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
        self.let_go()
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

    def hold(self) -> None:
        """Deliver nothing until `let_go`, as when a cable is pulled: what is sent waits, on new connections, too."""
        self._flows.clear()

    def let_go(self) -> None:
        self._flows.set()

    def close_all(self) -> None:
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            link.close()

    def wait(self, sent_at: float) -> None:
        """Wait until what was sent at a moment is to be delivered."""
        sleep(max(0.0, sent_at + self.delay - monotonic()))
        self._flows.wait()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            upstream = socket.socket(socket.AF_UNIX if isinstance(self._target, str) else socket.AF_INET)
            try:
                upstream.connect(self._target)
            except OSError:
                client.close()
                upstream.close()
                continue
            link = _Link(self, client, upstream)
            with self._lock:
                self._links = [*(link for link in self._links if link.is_open), link]
            link.start()


class _Link:
    """One connection and its continuation."""

    def __init__(self, proxy: Proxy, client: socket.socket, upstream: socket.socket) -> None:
        self.is_cut = False
        self.is_open = True
        self._proxy = proxy
        self._ends = (client, upstream)

    def start(self) -> None:
        client, upstream = self._ends
        for source, sink in ((client, upstream), (upstream, client)):
            sent: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
            Thread(target=self._receive, args=(source, sent), name="link", daemon=True).start()
            Thread(target=self._deliver, args=(sent, sink), name="link", daemon=True).start()

    def close(self) -> None:
        self.is_open = False
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _receive(self, source: socket.socket, sent: SimpleQueue[tuple[float, bytes]]) -> None:
        data = b"-"
        while data:
            data = b""
            with suppress(OSError):
                data = source.recv(_CHUNK)
            sent.put((monotonic(), data))

    def _deliver(self, sent: SimpleQueue[tuple[float, bytes]], sink: socket.socket) -> None:
        """Nothing means that the connection has ended."""
        with suppress(OSError):
            while True:
                moment, data = sent.get()
                self._proxy.wait(moment)
                if not data:
                    break
                if not self.is_cut:  # otherwise it gets lost on the way
                    sink.sendall(data)
        if not self.is_cut:
            self.close()
