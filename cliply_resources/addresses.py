"""Which network addresses are somebody else's public servers, and which lie inside somebody's house. Pure, no imports above.

A list of what is special (IANA special-purpose registries, and what clouds put at public-looking addresses) instead of
`is_global` alone: what that counts as global has changed between Python versions.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

__all__ = ["Network", "is_inside", "is_public", "networks"]

Network = IPv4Network | IPv6Network

_NOT_PUBLIC_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers' customers, and by cloud metadata services
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's platform service, reachable from every machine there
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_UNICAST_6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them, which carries an IPv4 address
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries an IPv4 address, and nobody offers a service through it
        "3fff::/20",
    )
)
_ISATAP_MARKS = {0x00005EFE, 0x02005EFE}
"""The upper half of an interface identifier whose lower half is an IPv4 address (RFC 5214)."""


def is_public(address: str) -> bool:
    """Whether `address` is a public unicast address, also where it wraps an IPv4 address; false for what is no address."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return _is_public_4(found) if isinstance(found, IPv4Address) else _is_public_6(found)


def is_inside(address: str, allowed: Iterable[Network]) -> bool:
    """Whether `address` lies in one of the networks; an IPv4 address wrapped in IPv6 counts as what it wraps."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in allowed)


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks as written in settings (`10.1.2.0/24`, `::1`).

    Raises:
        ValueError: one of them is not a network.
    """
    return tuple(ip_network(text) for text in texts)


def _is_public_4(address: IPv4Address) -> bool:
    return address.is_global and not any(address in network for network in _NOT_PUBLIC_4)


def _is_public_6(address: IPv6Address) -> bool:
    if address.scope_id is not None:
        return False
    if address.ipv4_mapped is not None:
        return _is_public_4(address.ipv4_mapped)
    if address in _NAT64:
        return _is_public_4(IPv4Address(int(address) & 0xFFFFFFFF))
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP_MARKS:
        return False
    return address in _UNICAST_6 and not any(address in network for network in _NOT_PUBLIC_6)
