"""Which hosts may be of the public internet."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address

_NUMBER = re.compile(r"\d+|0[xX][0-9a-fA-F]*")
_PRIVATE_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".intranet", ".corp", ".home")


def is_public_host(host: str) -> bool:
    """Whether a name or IP address may be of the public internet, as a browser reads it; nothing is looked up."""
    try:
        ip = ip_address(host)
    except ValueError:
        # Browsers take 127.1, 0x7f.1 and 2130706433 for addresses, too.
        last = host.rpartition(".")[2]
        return "." in host and ":" not in host and not _NUMBER.fullmatch(last) and not host.endswith(_PRIVATE_NAMES)
    if isinstance(ip, IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or ip
    return ip.is_global and not ip.is_multicast
