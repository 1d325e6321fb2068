"""Which addresses may be called from inside: those of the public internet, and no others.

Sources: the IANA special-purpose address registries (RFC 6890 as updated), RFC 4291, RFC 6052. An allow-list for
IPv6 (global unicast) and a deny-list for IPv4, which has no such range. The standard library's `is_global` is not
relied upon: what it says has changed between patch releases of Python.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_REFUSED_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # shared with a carrier; metadata of some clouds
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # the platform's own address in virtual machines of Azure
            "169.254.0.0/16",  # link-local; metadata of most clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments; metadata of some clouds
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
_GLOBAL_UNICAST_6 = IPv6Network("2000::/3")
_REFUSED_6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo among them
            "2001:db8::/32",  # documentation
            "3fff::/20",  # documentation
        ),
    )
)
_6TO4 = IPv6Network("2002::/16")
_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class AddressRules:
    """What an installation adds: loopback may be called (development only), further networks may not."""

    loopback: bool = False
    refused: Sequence[Network] = ()

    def admits(self, address: Address) -> bool:
        """Says whether the address may be called, looking through every IPv4 address that it stands for."""
        if self.loopback and is_loopback(address):
            return True
        return all(self._public(each) for each in _meant(address))

    def _public(self, address: Address) -> bool:
        if any(address.version == each.version and address in each for each in self.refused):
            return False
        if isinstance(address, IPv4Address):
            return not any(address in network for network in _REFUSED_4)
        if address in _NAT64:
            return True
        return address in _GLOBAL_UNICAST_6 and not any(address in network for network in _REFUSED_6)


def is_loopback(address: Address) -> bool:
    """Says whether the address is this machine (127.0.0.0/8, ::1), and nothing that merely stands for it."""
    return address in IPv4Network("127.0.0.0/8") if address.version == 4 else address == IPv6Address("::1")


def _meant(address: Address) -> Iterator[Address]:
    """Yields the address, unless it is an IPv4 address in IPv6 writing, and the IPv4 address that it stands for."""
    if isinstance(address, IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    else:
        yield address
        if address in _6TO4:
            yield IPv4Address(int(address) >> 80 & 0xFFFFFFFF)
        elif address in _NAT64:
            yield IPv4Address(int(address) & 0xFFFFFFFF)
