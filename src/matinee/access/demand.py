"""When keys are demanded: by default wherever somebody else than this machine could ask, or as soon as there is one."""

from __future__ import annotations

from ipaddress import ip_address

from matinee.access.key_file import KeyFile
from matinee.errors import InvalidInputError
from matinee.settings import Settings


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what is bound to this address; also whether a caller's address is its own.

    Examples:
        >>> [is_loopback(host) for host in ("localhost", "127.0.0.2", "::1", "0.0.0.0", "films.example")]
        [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def keys_are_demanded(settings: Settings) -> bool | None:
    """Whether requests need a key; None: as soon as there is one.

    Revoked keys count, too: revoking the last one opens nothing.
    """
    if settings.auth != "auto":
        return settings.auth == "on"
    return None if settings.insecure or is_loopback(settings.host) else True


def check_start(settings: Settings, program: str = "The service") -> None:
    """Check that a service that others could reach demands keys, and that there is one.

    Raises:
        InvalidInputError: it does not, or there is none, and `insecure` is not set.
        KeyFileError: the keys cannot be read.
    """
    if settings.insecure or is_loopback(settings.host):
        return
    if settings.auth == "off":
        raise InvalidInputError(
            f"{program} would answer everybody who reaches {settings.host}, since MATINEE_AUTH is off.",
            "Set MATINEE_AUTH=auto, or say that this is meant: --insecure, MATINEE_INSECURE=1.",
        )
    if not any(key.revoked is None for key in KeyFile(settings.keys_path).keys().values()):
        raise InvalidInputError(
            f"{program} would listen on {settings.host}, which other machines reach, and there is no API key.",
            "Make one with `matinee keys create NAME --role admin`; where only a network that you trust reaches it, "
            "use --insecure (MATINEE_INSECURE=1).",
        )
