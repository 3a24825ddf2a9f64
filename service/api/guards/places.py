"""Which of the open connections give way where there are too many, in all or from one address."""

from asyncio import Transport
from collections import defaultdict
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address
from typing import Protocol

_OF_ONE_SUBSCRIBER = 64
"""Bits of an IPv6 address: whoever has one address there has all that begin with the same."""


class Guest(Protocol):
    """A connection, as far as it matters here."""

    transport: Transport
    idle_seconds: int

    @property
    def is_idle(self) -> bool:
        """Whether no request is in work."""

    @property
    def network(self) -> str | None:
        """Where it comes from; None where that has no address, as with a Unix socket."""


class Places:
    """The connections of each address, of which there are only so many: one client cannot take all there are."""

    def __init__(self, most: int = 0) -> None:
        """`most` connections of an address; 0 is no bound."""
        self._most = most
        self._taken: dict[str, set[Guest]] = defaultdict(set)

    def take(self, guest: Guest) -> bool:
        """Let a connection in, and close the one of that address that was idle longest where there is one too many.

        False where all others of the address are at work: then this one has no place.
        """
        if not (self._most and guest.network):
            return True
        neighbours = self._taken[guest.network]
        neighbours.add(guest)
        return len(neighbours) <= self._most or make_room(neighbours - {guest})

    def leave(self, guest: Guest) -> None:
        if not guest.network or guest.network not in self._taken:
            return
        self._taken[guest.network].discard(guest)
        if not self._taken[guest.network]:
            del self._taken[guest.network]


def make_room(guests: Iterable[Guest]) -> bool:
    """Close the connection that has been idle longest. False where all are at work."""
    idle = [each for each in guests if each.is_idle and not each.transport.is_closing()]
    if idle:
        max(idle, key=lambda each: each.idle_seconds).transport.abort()
    return bool(idle)


def network_of(address: str) -> str:
    """An IPv4 address as it is, also where it is written as one of IPv6; of others of IPv6 the part of a subscriber."""
    found = ip_address(address)
    if not isinstance(found, IPv6Address):
        return address
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return f"{int(found) >> (128 - _OF_ONE_SUBSCRIBER):016x}"
