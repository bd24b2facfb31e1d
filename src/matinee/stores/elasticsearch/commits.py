"""Commits: the newest one is the state document of the log, and everything else follows from it.

A write is one commit. It takes effect when the state document is replaced, which only succeeds if nobody has replaced
it since it was read. Then the commit is applied: its entries are folded into the documents of users and movies, and it
is added to the log. All of that is idempotent, since a document's version is the number of the commit that wrote it,
and Elasticsearch refuses to go back. A commit whose writer died is applied by whoever comes next. A write is
acknowledged once it is applied.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from matinee.databases.elasticsearch import Cluster
from matinee.databases.elasticsearch_documents import Action, Document
from matinee.databases.elasticsearch_scan import scan
from matinee.errors import StoreError
from matinee.stores.base import Mark
from matinee.stores.elasticsearch.entries import (
    Address,
    Entry,
    ErasureEntry,
    Source,
    addresses,
    closed,
    fold,
    mark_address,
    opened,
    restored,
    stored,
    users_of,
    without,
)
from matinee.stores.elasticsearch.names import Names, document_id
from matinee.stores.elasticsearch.schema import STATE
from matinee.stores.records import KEEP_MARKS, KEY_SECONDS

PATIENCE = 0.25
"""Seconds that a commit of another writer may take to be applied before this one helps."""
POLL = 0.005
INLINE = 32 << 10
"""Largest entries (bytes) that the commit itself holds; others are in documents of their own, written before it."""
PART = 4 << 20
"""Bytes of one such document."""
EVERY = 1000
"""Commits between two searches for forgotten idempotency keys."""


@dataclass(frozen=True)
class Commit:
    """One commit.

    Attributes:
        number: 1, 2, 3 …; 0 is the empty store.
        token: identifies the attempt to write it.
        first: its first sequence number; larger than `seq` if it takes none.
        seq: its last sequence number, or that of the commit before.
        floor: readers that have not seen this sequence number must read the whole content.
        dropped: number of the newest commit that is dropped from the log.
        drops: the log is cut by this commit.
        parts: number of documents that hold its entries; 0: they are in the commit.
        entries: what it changes.
        document: the state document that holds it, as read or written.
    """

    number: int
    token: str
    first: int
    seq: int
    floor: int
    dropped: int
    drops: bool = False
    parts: int = 0
    entries: tuple[Entry, ...] = ()
    document: Document | None = field(default=None, compare=False)

    def form(self) -> Source:
        """As it is stored, in the state document and in the log."""
        return {
            "kind": "state",
            "commit": self.number,
            "token": self.token,
            "first": self.first,
            "seq": self.seq,
            "floor": self.floor,
            "dropped": self.dropped,
            "drops": self.drops,
            "parts": self.parts,
            "entries": [] if self.parts else [stored(entry) for entry in self.entries],
        }

    @classmethod
    def of(cls, document: Document) -> Commit:
        """Of a stored form, without entries that are in parts."""
        source = document.source
        return cls(
            source["commit"],
            source["token"],
            source["first"],
            source["seq"],
            source["floor"],
            source["dropped"],
            source["drops"],
            source["parts"],
            tuple(map(restored, source.get("entries", ()))),
            document,
        )


EMPTY = Commit(0, "empty", 1, 0, 0, 0)


class Commits:
    """Reads, makes and applies commits. Thread-safe; `commit` is called by one thread at a time."""

    def __init__(self, cluster: Cluster, names: Names, clock: Callable[[], float]) -> None:
        self._cluster, self._names, self._clock = cluster, names, clock
        self._lock = threading.Lock()
        self._known: Commit | None = None  # the newest that is known to be applied
        self._waiting = ("", 0.0)  # token of a commit that was not applied yet, and since when
        if not cluster.read([(names.log, STATE)], only="commit")[0].version:
            cluster.create(names.log, STATE, EMPTY.form())

    # --- the newest commit --------------------------------------------------------------------------------------
    @property
    def known(self) -> Commit | None:
        """The newest commit that this process knows to be applied, if any; there may be newer ones."""
        return self._known

    def forget(self) -> None:
        """Read the state again before the next commit."""
        self._known = None

    def newest(self) -> Commit:
        """The newest commit, applied or not, with its entries."""
        commit = Commit.of(self._state())
        try:
            return self.whole(commit)
        except StoreError:
            # A later commit may have dropped its parts in the meantime.
            later = Commit.of(self._state())
            if later.token == commit.token:
                raise
            return self.whole(later)

    def _state(self, without: str = "") -> Document:
        (state,) = self._cluster.read([(self._names.log, STATE)], without=without)
        if not state.version:
            raise StoreError(
                f"The state of the store at {self._cluster.name} is missing.",
                "Its indices were removed while in use; restart the service to begin with empty ones.",
            )
        return state

    def seq(self) -> int:
        """The newest sequence number of what is applied."""
        state = self._state(without="entries")
        known = self._known
        if known is not None and known.token == state.source["token"]:
            return known.seq
        newest = self.newest()
        if self._is_applied(newest):
            return self._note(newest).seq
        token, since = self._waiting
        if token != newest.token:
            self._waiting = newest.token, time.monotonic()
        elif time.monotonic() - since > PATIENCE * (1 + newest.parts):
            return self.readable().seq
        return newest.first - 1

    def settled(self) -> Commit:
        """The newest commit, after it was applied: by its writer, or after a moment of patience by this process."""
        start = time.monotonic()
        newest = self.newest()
        while not self._is_applied(newest):
            if time.monotonic() - start > PATIENCE * (1 + newest.parts):
                self._apply(newest)
                break
            time.sleep(POLL)
            if self._state(without="entries").source["token"] != newest.token:
                start, newest = time.monotonic(), self.newest()
        return self._note(newest)

    def readable(self) -> Commit:
        """As `settled`, or the commit before that one if it cannot be applied, because the cluster is read-only."""
        try:
            return self.settled()
        except StoreError:
            newest = self.newest()
            before = newest.number - 1
            if before == 0:
                return EMPTY
            (document,) = self._cluster.read([self._log_address(before)])
            if newest.drops or not document.version:
                raise
            return self.whole(Commit.of(document))

    def _note(self, applied: Commit) -> Commit:
        with self._lock:
            self._known = applied
        return applied

    def _is_applied(self, commit: Commit) -> bool:
        known = self._known
        if commit.number == 0 or (known is not None and known.token == commit.token):
            return True
        documents = self._cluster.read(self._written(commit), only="_none_")
        return all(document.version >= commit.number for document in documents)

    def _written(self, commit: Commit) -> list[Address]:
        """The documents that applying a commit writes."""
        return [*addresses(commit.entries, self._names), self._log_address(commit.number)]

    def _log_address(self, number: int) -> Address:
        return self._names.log, f"log-{number}"

    def whole(self, commit: Commit) -> Commit:
        """The commit with its entries.

        Raises:
            StoreError: they were dropped from the log.
        """
        if not commit.parts or commit.entries:
            return commit
        parts = self._cluster.read([self._part_address(commit.token, part) for part in range(commit.parts)])
        entries = [restored(form) for part in parts for form in part.source.get("entries", ())]
        if not all(part.version for part in parts):
            raise StoreError(f"Commit {commit.number} of the store has no entries.", "Restore a backup.")
        return replace(commit, entries=tuple(entries))

    def _part_address(self, token: str, part: int) -> Address:
        return self._names.log, f"part-{token}-{part}"

    # --- writing ------------------------------------------------------------------------------------------------
    def commit(self, before: Commit, new: Commit, documents: dict[Address, Source]) -> bool:
        """Make and apply a commit; False, and nothing is changed, if another one came after `before`.

        Args:
            before: the newest commit, applied.
            new: the next one.
            documents: those that it changes, changed.

        Raises:
            StoreError: the cluster cannot answer. It may be that the commit is applied later.
        """
        assert before.document is not None
        new = self._split(replace(new, token=uuid.uuid4().hex))
        try:
            state = self._cluster.replace(self._names.log, before.document, new.form())
        except StoreError:
            # The answer was lost, or an attempt behind it came too late. The state says whether it was stored.
            self.forget()
            state = self._state()
            if state.source["token"] != new.token:
                raise
        if state is None:
            state = self._state()
            if state.source["token"] != new.token:  # else a repetition within the client met its own first attempt
                self.forget()
                return False
        new = replace(new, document=state)
        self.forget()
        self._apply(new, documents)
        self._note(new)
        if new.number % EVERY == 0:
            with suppress(StoreError):
                self._forget_keys()
        return True

    def _split(self, new: Commit) -> Commit:
        """Write the entries of a large commit into documents of their own."""
        forms = [orjson.dumps(stored(entry)) for entry in new.entries]
        if sum(map(len, forms)) <= INLINE:
            return new
        parts: list[list[Any]] = [[]]
        size = 0
        for entry, form in zip(new.entries, forms, strict=True):
            if size and size + len(form) > PART:
                parts.append([])
                size = 0
            parts[-1].append(stored(entry))
            size += len(form)
        self._cluster.write(
            Action(
                *self._part_address(new.token, part),
                None,
                {"kind": "part", "commit": new.number, "entries": some, "user": users_of(some)},
            )
            for part, some in enumerate(parts)
        )
        return replace(new, parts=len(parts))

    def _apply(self, commit: Commit, documents: dict[Address, Source] | None = None) -> None:
        """Write what a commit changes; again if that was interrupted.

        Args:
            documents: those that it changes, changed; None: they are read here.
        """
        erased = [entry.user_id for entry in commit.entries if isinstance(entry, ErasureEntry)]
        for user_id in erased:
            self._strip(user_id, commit.number)
        if commit.drops:
            self._delete({"range": {"commit": {"lte": commit.dropped}}}, commit.number)
        if documents is None:
            documents = self._unapplied(commit)
            for entry in commit.entries:
                fold(entry, documents, self._names)
        written = addresses(commit.entries, self._names)
        actions = [
            Action(*address, commit.number, closed(documents[address])) for address in written if address in documents
        ]
        form = {**commit.form(), "kind": "log"}
        log = Action(*self._log_address(commit.number), commit.number, form | {"user": users_of(form["entries"])})
        self._cluster.write([*actions, log])
        if erased:
            with suppress(StoreError):
                self._expunge()

    def _unapplied(self, commit: Commit) -> dict[Address, Source]:
        """The documents, as they were before, that a commit has still to change."""
        written = addresses(commit.entries, self._names)
        return {
            address: opened(document.source)
            for address, document in zip(written, self._cluster.read(written), strict=True)
            if document.version < commit.number
        }

    def _delete(self, which: dict[str, Any], number: int) -> None:
        """Delete documents of the log that a query finds, except the state; writes of older commits stay out."""
        query = {"bool": {"filter": [which], "must_not": [{"term": {"kind": "state"}}]}}
        found = scan(self._cluster, self._names.log, query=query, fields=["kind"])
        self._cluster.write(
            Action(self._names.log, document.id, max(document.version, number), None) for document in found
        )

    def _strip(self, user_id: str, number: int) -> None:
        """Delete the lists shown to a user, and what commits up to this one say of the user."""
        # Not later ones: whoever helps to apply this one may be late.
        earlier = [{"term": {"kind": "shown"}}, {"range": {"commit": {"lte": number}}}]
        query = {"bool": {"filter": [{"term": {"user": document_id(user_id)}}, {"bool": {"should": earlier}}]}}
        found = scan(self._cluster, self._names.log, query=query)
        self._cluster.write(
            Action(
                self._names.log,
                document.id,
                max(document.version, number),
                None if document.source["kind"] == "shown" else without(document.source, user_id),
            )
            for document in found
        )

    def _forget_keys(self) -> None:
        self._delete({"range": {"created": {"lt": self._clock() - KEY_SECONDS}}}, 0)

    def _expunge(self) -> None:
        """Ask for the merge after which deleted documents are no longer on the disk. It runs in the background."""
        indices = ",".join((self._names.users, self._names.log))
        self._cluster.call(lambda client: client.indices.flush(index=indices))
        self._cluster.call(
            lambda client: client.indices.forcemerge(
                index=indices, only_expunge_deletes=True, wait_for_completion=False
            )
        )

    # --- the log ------------------------------------------------------------------------------------------------
    def since(self, seq: int, newest: Commit) -> list[Commit] | None:
        """The commits after a sequence number up to `newest`, in order; None if the log does not reach back to it."""
        if not newest.floor <= seq <= newest.seq:
            return None
        found = [newest]
        size = 16
        while found[-1].first > seq + 1:
            end = found[-1].number
            numbers = range(end - 1, max(newest.dropped, end - 1 - size, 0), -1)
            documents = self._cluster.read([self._log_address(number) for number in numbers])
            if not documents or not all(document.version for document in documents):
                return None
            found += [Commit.of(document) for document in documents]
            size = min(2 * size, 1000)
        wanted = [commit for commit in reversed(found) if commit.seq > seq]
        try:
            return [self.whole(commit) for commit in wanted]
        except StoreError:
            if self._cluster.read([(self._names.log, STATE)], only="dropped")[0].source["dropped"] > newest.dropped:
                return None
            raise

    def mark(self) -> Mark:
        """See `Store.mark`."""
        mark = Mark(uuid.uuid4().hex, self.readable().seq)
        form = {"kind": "mark", "seq": mark.seq, "order": time.time_ns()}
        self._cluster.write([Action(*mark_address(self._names, mark.token), None, form)])
        with suppress(StoreError):
            old = self._marks("order", KEEP_MARKS + 20)[KEEP_MARKS:]
            self._cluster.write(Action(self._names.log, hit["_id"], None, None) for hit in old)
        return mark

    def _marks(self, order: str, size: int) -> list[dict[str, Any]]:
        """Documents of marks, those with the largest value of a field first."""
        self._cluster.refresh(self._names.log)
        query = {"bool": {"filter": [{"term": {"kind": "mark"}}]}}
        return self._cluster.search(self._names.log, query=query, sort=[{order: "desc"}], size=size)

    def newest_marks(self) -> list[int]:
        """Sequence numbers of the two newest marks."""
        return [hit["_source"]["seq"] for hit in self._marks("seq", 2)]

    def floor_before(self, seq: int) -> tuple[int, int] | None:
        """Sequence number and number of the newest commit up to a sequence number, for cutting the log there."""
        self._cluster.refresh(self._names.log)
        hits = self._cluster.search(
            self._names.log,
            query={"bool": {"filter": [{"term": {"kind": "log"}}, {"range": {"seq": {"lte": seq}}}]}},
            sort=[{"commit": "desc"}],
            size=1,
            source_includes=["commit", "seq"],
        )
        return (hits[0]["_source"]["seq"], hits[0]["_source"]["commit"]) if hits else None


def next_commit(before: Commit, entries: Sequence[Entry], seq: int) -> Commit:
    """The commit after another one."""
    return replace(
        before,
        number=before.number + 1,
        first=before.seq + 1,
        seq=seq,
        drops=False,
        parts=0,
        entries=tuple(entries),
        document=None,
    )


def entries_of(commits: Iterable[Commit], seq: int) -> list[Entry]:
    """The entries of commits after a sequence number, in order."""
    return [entry for commit in commits for entry in commit.entries if entry.seq > seq]
