"""Translation of PostgreSQL errors into `StoreError`s with a hint for the operator."""

from __future__ import annotations

import psycopg
from psycopg import errors

from matinee.errors import MatineeError, ReadOnlyError, StoreError

_READ_ONLY = "Name the primary server in MATINEE_STORE_URL, or turn default_transaction_read_only off."
_START = "Check that the server runs and MATINEE_STORE_URL names it; the store recovers by itself."
_SLOW = "Try again, raise MATINEE_STORE_TIMEOUT, or look for the statement that others wait for in pg_stat_activity."
_PASSWORD = "Check MATINEE_STORE_USER and MATINEE_STORE_PASSWORD."
_DATABASE = "Create it with `createdb DATABASE`, or name another one in MATINEE_STORE_URL."
_CONNECTIONS = "Start fewer workers, or raise max_connections of the server."
_MISSING = "Restore a backup, or restart Matinee to begin with an empty store."

_BY_CLASS: tuple[tuple[type[psycopg.Error], str], ...] = (
    (errors.ReadOnlySqlTransaction, _READ_ONLY),
    (errors.QueryCanceled, _SLOW),
    (errors.LockNotAvailable, _SLOW),
    (errors.TooManyConnections, _CONNECTIONS),
    (errors.InvalidAuthorizationSpecification, _PASSWORD),
    (errors.InvalidPassword, _PASSWORD),
    (errors.InvalidCatalogName, _DATABASE),
    (errors.InsufficientPrivilege, "Grant MATINEE_STORE_USER the right: GRANT CREATE ON DATABASE … TO …."),
    (errors.DiskFull, "Make room on the server's disk, then try again; nothing of this write was stored."),
    (errors.UndefinedTable, _MISSING),
    (errors.InvalidSchemaName, _MISSING),
)
_UNWRITABLE = (errors.ReadOnlySqlTransaction, errors.DiskFull)
# An error while connecting has no class of its own, only the server's words (in English unless lc_messages differs).
_BY_WORDS = (
    ("database system", "Try again in a moment: the server starts or stops. The store recovers by itself."),
    ("password", _PASSWORD),
    ("role ", _PASSWORD),
    ("pg_hba.conf", "Allow this host and user in pg_hba.conf, or change MATINEE_STORE_USER and the URL's sslmode."),
    ('database "', _DATABASE),
    ("too many", _CONNECTIONS),
    ("connection slots", _CONNECTIONS),
)


class SilentServerError(psycopg.OperationalError):
    """The server has not answered in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} s")


def store_error(error: psycopg.Error, label: str, *, committing: bool = False) -> MatineeError:
    """The error for a failure at PostgreSQL.

    Args:
        error: what psycopg raised. Its text holds no password: libpq names host, port and user only.
        label: the database, for the message.
        committing: the connection broke while it was unknown whether the server had committed.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = (lines[0] if lines else type(error).__name__).removesuffix(".")
    if isinstance(error, errors.ProgramLimitExceeded):
        return StoreError(f"The store {label} cannot store this: {text}.", "Use shorter ids.")
    if committing:
        return StoreError(
            f"The connection to {label} was lost during a commit, so that the write may or may not be stored: {text}.",
            "Send it again; with the same idempotency key it counts once.",
        )
    for kind, hint in _BY_CLASS:
        if isinstance(error, kind):
            if kind in _UNWRITABLE:
                return ReadOnlyError(f"The store {label} cannot be written: {text}.", hint)
            return StoreError(f"The store {label} cannot answer: {text}.", hint)
    if error.sqlstate is None:
        hint = next((hint for word, hint in _BY_WORDS if word in text), _START)
    else:
        hint = _START if isinstance(error, psycopg.OperationalError) else "Check the server's log."
    return StoreError(f"The store {label} cannot answer: {text}.", hint)
