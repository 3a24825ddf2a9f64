"""Hosts around a router, each a network namespace of its own, and what can happen to the packets between them.

A cut drops packets without a word: neither end is told. Nothing outside of these namespaces is touched, and they end
with this process, for no name holds them.
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Literal, Self

from e2e.processes import Program

Ways = Literal["out", "back", "both"]

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
_LINE = Path(__file__).with_name("line.py")
_OWN = "/proc/thread-self/ns/net"


class Host:
    """A network namespace. A thread that is inside of it opens its sockets and starts its programs there."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self._descriptor = _new_namespace()
        self.run("link", "set", "lo", "up")

    def close(self) -> None:
        os.close(self._descriptor)

    @property
    def path(self) -> str:
        """What `ip` finds it by."""
        return f"/proc/{os.getpid()}/fd/{self._descriptor}"

    @contextmanager
    def inside(self) -> Iterator[None]:
        home = os.open(_OWN, os.O_RDONLY)
        _enter(self._descriptor)
        try:
            yield
        finally:
            _enter(home)
            os.close(home)

    def run(self, *words: str) -> None:
        """`ip` with these words on this host."""
        with self.inside():
            subprocess.run(("ip", *words), check=True, capture_output=True, timeout=30)


class Network:
    """A router with hosts around it."""

    def __init__(self, *names: str) -> None:
        self._stack = ExitStack()
        self.router = self._host("router", "")
        with self.router.inside():
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        self.hosts = [self._connected(name, number) for number, name in enumerate(names, 1)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextmanager
    def cut(self, one: Host, other: Host, ways: Ways = "both", port: int | None = None) -> Iterator[None]:
        """Drop what `one` sends to the `other` (out), what it gets from there (back), or both; of one port, or all."""
        paths = {"out": [(one, other)], "back": [(other, one)], "both": [(one, other), (other, one)]}[ways]
        with self._ruled([rule for path in paths for rule in _rules(*path, port)]):
            yield

    @contextmanager
    def slowed(self, folder: Path, host: Host, seconds: float, loss: float) -> Iterator[None]:
        """Let each packet to and from a host take so much longer, and this part of them get lost."""
        device, table = "slow", "77"
        with self.router.inside():
            line = Program(folder, sys.executable, "-P", str(_LINE), device, str(seconds), str(loss))
        with line:
            line.until(lambda: line.output)
            self.router.run("link", "set", device, "up")
            self.router.run("route", "add", "default", "dev", device, "table", table)
            others = [other for other in self.hosts if other is not host]
            paths = [pair for other in others for pair in ((host, other), (other, host))]
            with self._ruled([("iif", source.name, "to", target.address, "lookup", table) for source, target in paths]):
                yield

    @contextmanager
    def _ruled(self, rules: list[tuple[str, ...]]) -> Iterator[None]:
        """Let the router obey these rules before all others."""
        with ExitStack() as stack:
            for rule in rules:
                self.router.run("rule", "add", *rule)
                stack.callback(self.router.run, "rule", "del", *rule)
            yield

    def _connected(self, name: str, number: int) -> Host:
        subnet = f"10.77.{number}"
        host = self._host(name, f"{subnet}.2")
        host.run("link", "add", "eth0", "type", "veth", "peer", "name", name, "netns", self.router.path)
        for end, device, address in ((host, "eth0", host.address), (self.router, name, f"{subnet}.1")):
            end.run("address", "add", f"{address}/24", "dev", device)
            end.run("link", "set", device, "up")
        host.run("route", "add", "default", "via", f"{subnet}.1")
        return host

    def _host(self, name: str, address: str) -> Host:
        host = Host(name, address)
        self._stack.callback(host.close)
        return host


@cache
def missing() -> str | None:
    """Why there can be no such hosts here; None where there can."""
    try:
        Network("probe").__exit__()
    except FileNotFoundError:
        return "hosts need `ip`, of Debian's package iproute2"
    except (OSError, subprocess.CalledProcessError) as error:
        return f"hosts need root, and a kernel with network namespaces and veth: {error}"
    return None


def _rules(source: Host, target: Host, port: int | None) -> list[tuple[str, ...]]:
    path = ("from", source.address, "to", target.address, "blackhole")
    if port is None:
        return [path]
    return [(*path, "ipproto", "tcp", end, str(port)) for end in ("sport", "dport")]


def _new_namespace() -> int:
    """Its descriptor. It lasts as long as that is open, or a process runs in it."""
    home = os.open(_OWN, os.O_RDONLY)
    try:
        _check(_LIBC.unshare(_CLONE_NEWNET))
        made = os.open(_OWN, os.O_RDONLY)
        _enter(home)
    finally:
        os.close(home)
    return made


def _enter(descriptor: int) -> None:
    _check(_LIBC.setns(descriptor, _CLONE_NEWNET))


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
