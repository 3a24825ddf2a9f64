"""To which addresses messages may go."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.webhooks.destinations import DestinationRefused, is_public, refuse_private


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.0.3",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.3.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.8",
        "198.18.0.1",
        "224.0.0.1",
        "239.1.2.3",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:0:53aa:64c::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%lo",
        "fec0::1",
        "ff02::1",
        "100::1",
        "2001:db8::1",
    ],
)
def test_an_address_of_this_machine_or_a_private_network_is_refused(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(DestinationRefused, match="no address of the internet"):
        refuse_private("example.org", ["93.184.215.14", address])


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07::1", "64:ff9b::8.8.8.8", "2a00:1450:4001::68"]
)
def test_an_address_of_the_internet_is_taken(address: str) -> None:
    assert is_public(address)
    refuse_private("example.org", [address])


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_in_whatever_form_ipv6_writes_a_private_ipv4_address_it_is_refused(address: IPv4Address) -> None:
    if not is_public(str(address)):
        for prefix in ("::ffff:0:0", "64:ff9b::"):
            assert not is_public(str(IPv6Address(int(IPv6Address(prefix)) | int(address))))
        assert not is_public(str(IPv6Address(int(IPv6Address("2002::")) | int(address) << 80)))
