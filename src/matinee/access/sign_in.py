"""What the web app and the studio share of signing in: when it is demanded, the password, the key of the sessions."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from pathlib import Path

from matinee._util.atomic_files import like_its_folder, locked, replace_private
from matinee.access.demand import is_loopback
from matinee.access.rate_limit import RateLimiter, TooMany, network_of
from matinee.errors import InvalidInputError, StoreError
from matinee.settings import Settings

MIN_LENGTH = 8
"""Characters of the shared password, at least."""
GUESSES = 10
"""Passwords that one address may try in a minute."""
_KEY_FILE = "web-session.key"

log = logging.getLogger("matinee.access")


def check_app_start(settings: Settings, program: str) -> None:
    """Check that an application that others could reach demands a sign-in, and that its password is no trifle.

    Args:
        program: "The web app", for the message.

    Raises:
        InvalidInputError: it would be open to everybody and `insecure` is not set, or the password is too short.
    """
    if settings.web_password and len(settings.web_password) < MIN_LENGTH:
        raise InvalidInputError(
            f"MATINEE_WEB_PASSWORD has fewer than {MIN_LENGTH} characters, which is guessed soon.",
            "Choose a longer one, for example four random words.",
        )
    if settings.web_password or settings.insecure or is_loopback(settings.host):
        return
    raise InvalidInputError(
        f"{program} would listen on {settings.host}, which other machines reach, and nobody has to sign in.",
        "Set MATINEE_WEB_PASSWORD; where only a network that you trust reaches it, use --insecure "
        "(MATINEE_INSECURE=1).",
    )


class SharedPassword:
    """The password that all visitors share, and the limit of guesses.

    Args:
        password: the right one, not empty.
        guesses: that one address may make in a minute.
    """

    def __init__(self, password: str, guesses: int = GUESSES) -> None:
        self._right = password.encode("utf-8", "surrogatepass")
        self._guesses, self._limiter = guesses, RateLimiter()

    def too_many(self, address: str) -> TooMany | None:
        """Count a guess of an address; None: it may be checked."""
        return self._limiter.take(network_of(address), self._guesses)

    def matches(self, given: str) -> bool:
        """Whether this is the password, in a time that does not depend on how much of it is right."""
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._right)


def session_key(settings: Settings) -> bytes:
    """The key that signs sessions: `web_secret`, or one that is kept in the data folder (mode 0600).

    The password goes into it: sessions end when it changes. Where the folder cannot be written, the key is of this
    process, and sessions end with it.
    """
    secret = settings.web_secret.encode("utf-8", "surrogatepass") or _kept_secret(settings.data_dir)
    return hmac.new(secret, settings.web_password.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()


def _kept_secret(folder: Path) -> bytes:
    path, lock = folder / _KEY_FILE, folder / ".web-session.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(lock, 5.0, StoreError(f"Another process writes {path}.")):
            like_its_folder(lock)
            if not path.exists():
                replace_private(path, secrets.token_hex(32).encode())
            kept = path.read_bytes()
    except (OSError, StoreError) as error:
        log.warning("Visitors have to sign in again after each start: %s Set MATINEE_WEB_SECRET to avoid it.", error)
        return secrets.token_bytes(32)
    return kept if len(kept) >= 32 else secrets.token_bytes(32)
