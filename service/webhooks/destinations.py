"""Where messages may go: to addresses of the internet, and not to what only this machine or its network reaches."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from service.errors import InvalidRequest
from slope.spec import Fault

_TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv4 addresses as NAT64 writes them (RFC 6052)."""
_FOR_PROTOCOLS = IPv4Network("192.0.0.0/24")
"""Python 3.11 knows parts of it."""


class DestinationRefused(Exception):
    """A sentence that says why nothing is sent there."""


def refuse_private_url(url: str) -> None:
    """Raise InvalidRequest for an address that is private as it is written. What its name stands for is looked up when
    something is sent: it may be another address each time."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        is_private = not is_public(host)
    except ValueError:  # a name
        is_private = host == "localhost" or host.endswith(".localhost")
    if is_private:
        detail = f"{_refusal(host)}: its operator sets SLOPE_WEBHOOKS_ALLOW_PRIVATE where that is wanted"
        raise InvalidRequest(detail, [Fault(detail, "/url")])


def refuse_private(host: str, addresses: Iterable[str]) -> None:
    """Raise DestinationRefused if one of the addresses that a host has is private.

    It names none: the owner of a webhook reads it, and is not to learn what names stand for in our network.
    """
    if not all(map(is_public, addresses)):
        raise DestinationRefused(_refusal(host))


def is_public(address: str) -> bool:
    """Whether an IP address, in text, is one of the internet, and what it stands for as well."""
    found = ip_address(address.partition("%")[0])
    if found in _TRANSLATED:
        return _is_public(IPv4Address(int(found) & 0xFFFF_FFFF))
    return all(_is_public(each) for each in (found, *_embedded(found)))


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    is_special = address.is_multicast or address.is_reserved or getattr(address, "is_site_local", False)
    return address.is_global and not is_special and address not in _FOR_PROTOCOLS


def _embedded(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """IPv4 addresses that packets to an IPv6 address may reach."""
    if isinstance(address, IPv4Address):
        return []
    found = (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()))
    return [each for each in found if each is not None]


def _refusal(host: str) -> str:
    return f"{host} is no address of the internet, and this service sends nothing to its own network"
