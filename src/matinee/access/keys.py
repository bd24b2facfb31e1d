"""API keys: `matinee_<id>_<secret>`. Of the secret only its SHA-256 is kept.

A secret is 256 random bits, so that a fast hash without salt is enough: nobody can try them all.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Role = Literal["read", "write", "admin"]
"""read: everything but changes. write: also ratings, films, posters. admin: also other people's data as a whole, and
what is served."""
ROLES: tuple[Role, ...] = get_args(Role)
_RANK = {role: rank for rank, role in enumerate(ROLES)}
_TEXT = re.compile(r"matinee_([0-9a-f]{12})_([0-9a-f]{64})")

KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]


class Presented(NamedTuple):
    """A key as a client sends it."""

    id: str
    secret: str


class Key(BaseModel):
    """What is kept of a key.

    Attributes:
        secret_sha256: of the secret's text, in hexadecimal digits.
        user: the only user whose data the key opens, beside the catalog; None: all.
        expires: when it ends; None: never.
        rate: requests a minute; 0: unlimited; None: the setting `rate_limit`.
        revoked: when it was revoked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: KeyId
    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")
    role: Role
    secret_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    user: str | None = Field(None, min_length=1)
    created: AwareDatetime
    expires: AwareDatetime | None = None
    rate: int | None = Field(None, ge=0)
    revoked: AwareDatetime | None = None

    @cached_property
    def expires_at(self) -> float:
        """Seconds since 1970 from which it is expired."""
        return self.expires.timestamp() if self.expires else float("inf")

    def has(self, role: Role) -> bool:
        """Whether its role includes this one."""
        return _RANK[self.role] >= _RANK[role]

    def opens(self, secret: str) -> bool:
        """Whether this is its secret; compared in constant time."""
        return hmac.compare_digest(self.secret_sha256, digest(secret))


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def parsed(text: str) -> Presented | None:
    """The parts of a key; None: this is none.

    Examples:
        >>> parsed("matinee_0123456789ab_" + 64 * "f").id
        '0123456789ab'
        >>> parsed("secret")
    """
    match = _TEXT.fullmatch(text)
    return Presented(*match.groups()) if match else None


def now() -> datetime:
    """The time, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def new_key(
    name: str, role: Role, *, user: str | None = None, lasts: timedelta | None = None, rate: int | None = None
) -> tuple[Key, str]:
    """A new key: what is kept of it, and its text, which is kept nowhere."""
    key_id, secret, created = secrets.token_hex(6), secrets.token_hex(32), now()
    key = Key(
        id=key_id,
        name=name,
        role=role,
        secret_sha256=digest(secret),
        user=user,
        created=created,
        expires=created + lasts if lasts is not None else None,
        rate=rate,
    )
    return key, f"matinee_{key_id}_{secret}"
