"""Documents of Elasticsearch: as they are read, and how writes of many are put into bulk requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from matinee.databases.elasticsearch_errors import Failure, RefusedError

CHUNK_BYTES = 8 << 20
CHUNK_ACTIONS = 5000
CONFLICT, NOT_FOUND, UNAVAILABLE = 409, 404, 503


class Document(NamedTuple):
    """A stored document; `version` is 0 and `source` empty where there is none.

    `seq_no` and `term` identify this very state of it, for a later `Cluster.replace`.
    """

    id: str
    version: int
    source: dict[str, Any]
    seq_no: int = -1
    term: int = -1


@dataclass(frozen=True, slots=True)
class Action:
    """One write of a bulk request; without a source the document is deleted.

    A document whose version is higher already is left as it is. Without a version it is written in any case.
    """

    index: str
    id: str
    version: int | None
    source: Mapping[str, Any] | None


def documents_of(answers: Iterable[Mapping[str, Any]]) -> list[Document]:
    """Documents from the parts of an answer to a multi-get request.

    Raises:
        RefusedError: some could not be read.
    """
    failures = [Failure.of(UNAVAILABLE, answer) for answer in answers if "error" in answer]
    if failures:
        missing = (failure for failure in failures if failure.type == "index_not_found_exception")
        raise RefusedError([failure._replace(status=NOT_FOUND) for failure in missing] or failures)
    return [
        Document(
            answer["_id"], answer["_version"], answer.get("_source", {}), answer["_seq_no"], answer["_primary_term"]
        )
        if answer["found"]
        else Document(answer["_id"], 0, {})
        for answer in answers
    ]


def bulk_requests(actions: Iterable[Action], *, alias: bool) -> Iterator[list[bytes]]:
    """The lines of bulk requests of limited size.

    Args:
        alias: the indices are named by aliases.
    """
    lines: list[bytes] = []
    size = 0
    for action in actions:
        more = _lines(action, alias)
        length = sum(map(len, more))
        if lines and (size + length > CHUNK_BYTES or len(lines) >= 2 * CHUNK_ACTIONS):
            yield lines
            lines, size = [], 0
        lines += more
        size += length
    if lines:
        yield lines


def _lines(action: Action, alias: bool) -> list[bytes]:
    about: dict[str, Any] = {"_index": action.index, "_id": action.id}
    if action.version is not None:
        about |= {"version": action.version, "version_type": "external_gte"}
    if action.source is None:
        return [orjson.dumps({"delete": about})]
    if alias:
        about["require_alias"] = True
    return [orjson.dumps({"index": about}), orjson.dumps(action.source)]


def check_bulk(answer: Mapping[str, Any]) -> None:
    """Raise RefusedError where writes of a bulk request failed; that a newer version was there is no failure."""
    outcomes = (outcome for item in answer["items"] for outcome in item.values()) if answer["errors"] else ()
    failures = [
        Failure.of(outcome["status"], outcome)
        for outcome in outcomes
        if "error" in outcome and outcome["status"] != CONFLICT
    ]
    if failures:
        raise RefusedError(failures)
