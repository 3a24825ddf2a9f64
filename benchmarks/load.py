"""`python -m benchmarks.load HOST PORT PATH STATUS [HEADER]`: ask one thing again and again, and print the rate.

A closed loop: each of a few connections asks anew as soon as it has been answered. Every answer has to be as long as
the first and have the status.
"""

import argparse
import asyncio
import socket
from time import perf_counter
from typing import cast

import uvloop


class Connection(asyncio.Protocol):
    """Asks `count` times and then says so."""

    def __init__(self, question: bytes, status: bytes, length: int, count: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._question = question
        self._status = status
        self._length = length
        self._left = count
        self._received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self) -> None:
        self._received = 0
        self._transport.write(self._question)

    def data_received(self, data: bytes) -> None:
        if self._received == 0 and not data.startswith(self._status):
            self.done.set_exception(ValueError(f"Unexpected answer: {data[:200]!r}"))
        self._received += len(data)
        if self._received == self._length:
            self._left -= 1
            self.ask() if self._left else self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError("The server has hung up"))


async def rate(address: tuple[str, int], question: bytes, status: bytes, connections: int, count: int) -> float:
    """Answers per second, on `connections` connections, each of which asks `count` times."""
    length = _length_of_answer(address, question)
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Connection(question, status, length, count), *address)
        for _ in range(connections)
    ]
    started = perf_counter()
    for _, connection in made:
        connection.ask()
    await asyncio.gather(*(connection.done for _, connection in made))
    took = perf_counter() - started
    for transport, _ in made:
        transport.close()
    return connections * count / took


def _length_of_answer(address: tuple[str, int], question: bytes) -> int:
    """In bytes, headers included."""
    with socket.create_connection(address) as connection:
        connection.sendall(question)
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        head, _, _ = received.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        return len(head) + 4 + int(fields.get(b"content-length", 0))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("status", type=int)
    parser.add_argument("headers", nargs="*", help="further lines of the question")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--count", type=int, default=100, help="questions on each connection")
    given = parser.parse_args()
    lines = [f"GET {given.path} HTTP/1.1", f"Host: {given.host}:{given.port}", *given.headers, "", ""]
    question, status = "\r\n".join(lines).encode(), f"HTTP/1.1 {given.status} ".encode()
    print(uvloop.run(rate((given.host, given.port), question, status, given.connections, given.count)))


if __name__ == "__main__":
    main()
