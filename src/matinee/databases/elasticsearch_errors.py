"""Failures at Elasticsearch: what the server said, whether it will pass, and as `StoreError`s with a hint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matinee.errors import ReadOnlyError, StoreError

TRANSIENT = (429, 502, 503, 504)


class Failure(NamedTuple):
    """What the server said about a request that failed."""

    status: int
    type: str
    reason: str

    @classmethod
    def of(cls, status: int, body: object) -> Failure:
        """From the body of an answer, or of a part of it."""
        cause = body.get("error") if isinstance(body, Mapping) else body
        if not isinstance(cause, Mapping):
            return cls(status, "", str(cause or f"status {status}")[:300].rstrip("."))
        while isinstance(cause.get("caused_by"), Mapping) and cause.get("reason") in (None, "all shards failed"):
            cause = cause["caused_by"]
        return cls(status, str(cause.get("type", "")), str(cause.get("reason", ""))[:300].rstrip(".;"))

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed in a moment."""
        # A full disk is reported with 429 too, and lasts.
        return self.status in TRANSIENT and not (self.type == "cluster_block_exception" and self.status == 429)


class RefusedError(Exception):
    """An answer that holds failures of single documents; the first that lasts, else the first."""

    def __init__(self, failures: Sequence[Failure]) -> None:
        super().__init__(failures)
        self.failure = next((failure for failure in failures if not failure.is_transient), failures[0])


def refused(name: str, failure: Failure) -> StoreError:
    """The error for a request that the server refused.

    Args:
        name: of the cluster, for the message.
    """
    status, kind, reason = failure
    if kind == "cluster_block_exception" and status != 503:
        if "read-only-allow-delete" in reason or "read_only_allow_delete" in reason:
            return ReadOnlyError(
                f"{name} is read-only, because its disk is nearly full.",
                "Make room on its disk; it lifts the block by itself then.",
            )
        return ReadOnlyError(
            f"{name} is read-only: {reason}.",
            'Lift the block: PUT /INDEX/_settings {"index.blocks.write": null, "index.blocks.read_only": null}.',
        )
    if status == 401:
        return StoreError(
            f"{name} refuses the user name or the password.", "Set MATINEE_STORE_USER and MATINEE_STORE_PASSWORD."
        )
    if status == 403:
        return StoreError(f"{name} does not allow this user what the store needs.", f"Give the rights: {reason}.")
    if status == 404:
        return StoreError(
            f"An index was removed while in use ({name}): {reason}.",
            "Restore it from a backup, or restart the service to begin with an empty one.",
        )
    if status in TRANSIENT:
        return StoreError(
            f"{name} is not ready: {reason}.", "It should recover by itself; look at GET /_cluster/health."
        )
    return StoreError(f"{name} refuses a request: {reason}.", "Check its version and the index's mapping.")


def unreachable(name: str, error: Exception, seconds: float) -> StoreError:
    """The error for a request that got no answer, or one that cannot be read, within some seconds."""
    from elastic_transport import TlsError
    from elasticsearch import ConnectionTimeout, SerializationError

    if isinstance(error, ConnectionTimeout):
        return StoreError(
            f"{name} does not answer within {seconds:g} s.",
            "Look at its load and its log, or raise MATINEE_STORE_TIMEOUT.",
        )
    if isinstance(error, SerializationError):
        return StoreError(f"{name} does not answer as Elasticsearch does.", "Check MATINEE_STORE_URL.")
    if isinstance(error, TlsError):
        return StoreError(
            f"{name} does not speak TLS, or its certificate is not trusted.",
            "Set SSL_CERT_FILE to the certificate of its authority, or correct MATINEE_STORE_URL.",
        )
    return StoreError(f"{name} cannot be reached.", "Start it, or check MATINEE_STORE_URL.")
