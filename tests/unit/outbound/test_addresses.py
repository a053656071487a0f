from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cliply_resources.addresses import is_inside, is_public, networks


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "100.128.0.1"]
)
def test_public_addresses_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost",
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.0.1",
        "198.18.0.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.1.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::808:808",
        "2002:808:808::",
        "2001:0:808:808::",
        "2001:db8::1",
        "2606:4700::5efe:8.8.8.8",
        "2606:4700::200:5efe:8.8.8.8",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_inner_and_special_addresses_are_not(address):
    assert not is_public(address)


@given(number=st.integers(0, 2**32 - 1))
@settings(max_examples=300, deadline=None)
def test_wrapping_an_address_in_ipv6_never_makes_it_public(number):
    plain = IPv4Address(number)
    public = is_public(str(plain))
    assert is_public(str(IPv6Address((0xFFFF << 32) | number))) == public
    assert is_public(str(IPv6Address((0x64FF9B << 96) | number))) == public
    assert not is_public(str(IPv6Address((0x2002 << 112) | (number << 80))))
    assert not is_public(str(IPv6Address(number)))


@given(address=st.integers(0, 2**128 - 1).map(IPv6Address) | st.integers(0, 2**32 - 1).map(IPv4Address))
@settings(max_examples=300, deadline=None)
def test_nothing_that_python_calls_private_is_public(address):
    if is_public(str(address)):
        inner = getattr(address, "ipv4_mapped", None) or address
        special = ("is_private", "is_loopback", "is_link_local", "is_multicast", "is_reserved", "is_unspecified")
        assert not any(getattr(inner, name) for name in special)


def test_networks_of_ones_own_are_recognised_in_either_spelling():
    own = networks(["127.0.0.2", "10.1.0.0/16", "::1"])
    assert all(is_inside(address, own) for address in ("127.0.0.2", "::ffff:127.0.0.2", "10.1.9.9", "::1"))
    assert not any(is_inside(address, own) for address in ("127.0.0.1", "10.2.0.1", "::2", "nonsense"))
    assert ip_address("::1") in own[2]
