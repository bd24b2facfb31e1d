"""The store on Elasticsearch: one document a user with all ratings, one a movie, one for a movie's vectors, and a log.

Documents are read by their ids, which sees every write at once. See `commits` for how writes are atomic.
"""

from __future__ import annotations

import base64
import itertools
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from matinee.data.catalog import Movie
from matinee.databases.elasticsearch import Cluster
from matinee.databases.elasticsearch_documents import Action
from matinee.databases.elasticsearch_errors import Failure, refused
from matinee.databases.elasticsearch_scan import Scan, scan
from matinee.errors import ReadOnlyError, StoreError
from matinee.stores.base import (
    Changes,
    Exposure,
    ImportProgress,
    Mark,
    MovieState,
    MovieVector,
    Rating,
    State,
    UserOverlay,
)
from matinee.stores.elasticsearch import schema
from matinee.stores.elasticsearch.batches import Batch, Batches, BatchJob
from matinee.stores.elasticsearch.commits import Commit, Commits, entries_of
from matinee.stores.elasticsearch.entries import (
    Address,
    ErasureEntry,
    ImportEntry,
    KeyEntry,
    MovieEntry,
    RatingEntry,
    Source,
    StatesEntry,
    import_address,
    key_address,
    log_row,
    mark_address,
    movie_address,
    opened,
    undo,
    user_address,
    vectors_address,
)
from matinee.stores.elasticsearch.names import Names, document_id
from matinee.stores.elasticsearch.search import search_movies
from matinee.stores.group_commit import GroupCommit
from matinee.stores.records import (
    EXPOSURE_SECONDS,
    IMPORT_SECONDS,
    KEEP_LOG,
    KEY_SECONDS,
    bodies_of,
    bytes_of,
    check_exposures,
    check_progress,
    check_text,
    check_vector,
    digest_of,
    distinct_ratings,
    distinct_states,
    exposure_details,
    exposure_of,
    import_rows,
    key_conflict,
    logged_changes,
    movie_of,
    progress_of,
    since_marked,
    storable,
    vector_of,
    whole_content,
)
from matinee.stores.write_health import WriteHealth

ATTEMPTS = 5
"""Attempts at one consistent read of all ratings, which an erasure in the middle of it spoils."""
MAX_SHOWN = 10_000
"""Most exposures in one answer, the largest that Elasticsearch gives."""


class ElasticsearchStore:
    """A `Store` on Elasticsearch.

    Open it after forking, not before. `close()` it when done.

    Args:
        cluster: closed with the store, and where it cannot be opened.
        names: of the indices, made if missing.
        keep_log: minimum number of changes in the log; a reader further behind gets the whole content.
        clock: seconds since 1970, for the age of idempotency keys.

    Raises:
        StoreError: the cluster cannot answer, or an index is of a newer version or of another program; it is not
            changed.
    """

    def __init__(
        self,
        cluster: Cluster,
        names: Names,
        *,
        keep_log: int = KEEP_LOG,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cluster, self.names, self._clock = cluster, names, clock
        self._health = WriteHealth(self._look_at_blocks)
        self._shown = itertools.count()
        try:
            schema.prepare(cluster, names)
            schema.wait_until_usable(cluster, names)
            self._commits = Commits(cluster, names, clock)
            self._commits.readable()
        except BaseException:
            self.close()
            raise
        self._writer = GroupCommit(Batches(cluster, self._commits, names, keep_log).commit, cluster.lifetime)

    def __repr__(self) -> str:
        return f"<ElasticsearchStore: {self._cluster.name}, {self.names.users}>"

    def _write(self, reads: Sequence[Address], work: Callable[[Batch], int], **options: Any) -> int:
        seq: int = self._writer.write(BatchJob(reads=reads, work=work, **options))
        return seq

    # --- ratings ------------------------------------------------------------------------------------------------
    def put_ratings(self, ratings: Sequence[Rating], *, key: str | None = None) -> int:
        """Upsert by (user, movie); of repeated pairs the last wins. Returns the sequence number after the write.

        Raises:
            ConflictError: the key was used for other ratings.
            InvalidInputError: ids that are not valid Unicode, or numbers that are not finite; nothing is stored.
            StoreError: the cluster cannot answer; whether the ratings are stored is only known where it had not been
                reached. A repetition with the same key stores them once.
        """
        distinct = distinct_ratings(ratings)
        reads = [user_address(self.names, user_id) for user_id in dict.fromkeys(r.user_id for r in distinct)]
        digest = ""
        if key is not None:
            check_text("idempotency key", key)
            digest = digest_of(distinct).hex()
            reads.append(key_address(self.names, key))
        elif not distinct:
            return self.seq()

        def work(batch: Batch) -> int:
            now = self._clock()
            if key is not None:
                used = batch.documents[key_address(self.names, key)]
                if used and used["created"] >= now - KEY_SECONDS:
                    if used["digest"] != digest:
                        raise key_conflict(key)
                    return int(used["seq"])
            for rating in distinct:
                batch.add(self._rating_entry(batch, rating))
            if key is not None:
                batch.add(KeyEntry(key, digest, batch.seq, now))
            return batch.seq

        return self._write(reads, work, weight=len(distinct))

    def put_import(
        self,
        progress: ImportProgress,
        after: int,
        ratings: Sequence[Rating],
        movies: Sequence[Movie],
        states: Sequence[MovieState] = (),
    ) -> int:
        """Upsert rows of an import, tombstones too, and its progress, in one commit. Returns the sequence number.

        Raises:
            ConflictError: the import has not come to line `after`; nothing is stored.
            InvalidInputError, StoreError: as `put_ratings`.
        """
        distinct, bodies, told = import_rows(progress, ratings, movies)
        by_user = distinct_states(states)
        address = import_address(self.names, progress.key)
        users = dict.fromkeys([*(r.user_id for r in distinct), *by_user])
        reads = [address, *(user_address(self.names, user_id) for user_id in users)]
        for movie_id, _ in bodies:
            reads += [movie_address(self.names, movie_id), vectors_address(self.names, movie_id)]

        def work(batch: Batch) -> int:
            held = batch.documents[address]
            check_progress(progress_of(held["body"][0]) if held else None, after, progress.key)
            for movie_id, body in bodies:
                has_vectors = bool(batch.documents[vectors_address(self.names, movie_id)])
                batch.add(MovieEntry(batch.seq + 1, movie_id, True, body, [], has_vectors))
            for rating in distinct:
                batch.add(self._rating_entry(batch, rating))
            _add_states(batch, by_user)
            now = self._clock()
            # Documents with a time are deleted `KEY_SECONDS` after it; this one is wanted for longer.
            kept_from = now + IMPORT_SECONDS - KEY_SECONDS
            batch.add(ImportEntry(progress.key, told, batch.seq, kept_from))
            return batch.seq

        return self._write(reads, work, weight=len(distinct) + len(bodies) + len(states) + 1)

    def import_progress(self, key: str) -> ImportProgress | None:
        """How far an import has come; None: nothing is stored under this key."""
        if storable(key) is None:
            return None
        self._commits.readable()
        (document,) = self._cluster.read([import_address(self.names, key)])
        return progress_of(document.source["body"][0]) if document.version else None

    def _rating_entry(self, batch: Batch, rating: Rating) -> RatingEntry:
        held = batch.documents[user_address(self.names, rating.user_id)].get("ratings", {}).get(rating.movie_id)
        before, before_timestamp, before_seq = held or (None, 0, 0)
        return RatingEntry(
            batch.seq + 1,
            rating.user_id,
            rating.movie_id,
            held is not None,
            before,
            None if rating.rating is None else float(rating.rating),
            rating.timestamp,
            before_timestamp,
            before_seq,
        )

    def delete_rating(self, user_id: str, movie_id: str, timestamp: int) -> int:
        """Write a tombstone for (user, movie). Returns the sequence number."""
        return self.put_ratings([Rating(user_id, movie_id, None, timestamp)])

    def put_states(self, states: Sequence[MovieState]) -> int:
        """Set and remove states, of one user or several; of repeated ones the last wins. Returns the sequence number.

        Raises:
            InvalidInputError: ids that are not valid Unicode, a time that is too large, or no such state.
            StoreError: as `put_ratings`.
        """
        by_user = distinct_states(states)
        if not by_user:
            return self.seq()

        def work(batch: Batch) -> int:
            _add_states(batch, by_user)
            return batch.seq

        reads = [user_address(self.names, user_id) for user_id in by_user]
        return self._write(reads, work, weight=sum(map(len, by_user.values())))

    def user(self, user_id: str) -> UserOverlay:
        """Everything stored about one user."""
        if storable(user_id) is None:
            return UserOverlay()
        (document,) = self._cluster.read([user_address(self.names, user_id)])
        if not document.version:
            return UserOverlay()
        source = opened(document.source)
        ratings = {movie_id: Rating(user_id, movie_id, *held[:2]) for movie_id, held in source["ratings"].items()}
        states: dict[State, dict[str, int]] = {}
        for (state, movie_id), (timestamp,) in source.get("states", {}).items():
            states.setdefault(state, {})[movie_id] = timestamp
        return UserOverlay(source["version"], source["erased"] is not None, ratings, states)

    def erase_user(self, user_id: str) -> int:
        """Physically delete a user's ratings, states, exposures and log entries, and mark the user as erased.

        They cannot be read once this returns. They leave the disk at a merge that is asked for here.
        """
        check_text("user id", user_id)
        address = user_address(self.names, user_id)

        def work(batch: Batch) -> int:
            batch.add(ErasureEntry(batch.seq + 1, user_id))
            return batch.seq

        # Alone, because the log must not hold ratings of the same commit.
        return self._write([address], work, alone=True)

    def ratings(self, *, batch: int = 50_000) -> Iterator[list[Rating]]:
        """All stored ratings, including tombstones, in batches from one consistent read."""
        _, users = self._all_users()
        ratings = (
            Rating(user["user_id"], movie_id, *held[:2]) for user in users for movie_id, held in user["ratings"].items()
        )
        while rows := list(itertools.islice(ratings, batch)):
            yield rows

    def _all_users(self) -> tuple[int, Iterator[Source]]:
        """A sequence number and all users' documents as of then.

        A scan sees what was applied until it begins, part of which may be newer than the number. The log says what to
        take back.
        """
        for _ in range(ATTEMPTS):
            start = self._commits.readable()
            self._cluster.refresh(self.names.users)
            users = Scan(self._cluster, self.names.users)
            newer = self._commits.since(start.seq, self._commits.newest())
            if newer is not None:
                return start.seq, self._as_of(users, newer)
            users.close()
        raise StoreError("The log is cut all the time, so that not all ratings can be read.", "Try again.")

    @staticmethod
    def _as_of(users: Scan, newer: list[Commit]) -> Iterator[Source]:
        undone: dict[str, list[RatingEntry]] = {}
        erased: dict[str, int] = {}
        for commit in reversed(newer):
            for entry in reversed(commit.entries):
                if isinstance(entry, RatingEntry):
                    undone.setdefault(entry.user_id, []).append(entry)
                elif isinstance(entry, ErasureEntry):
                    erased.setdefault(entry.user_id, entry.seq)
        try:
            for document in users:
                user = opened(document.source)
                user_id = user["user_id"]
                if user_id in erased:  # already, since the log no longer says what was there before
                    user |= {"erased": erased[user_id], "ratings": {}}
                else:
                    undo(undone.get(user_id, ()), user["ratings"])
                yield user
        finally:
            users.close()

    def erased_users(self) -> frozenset[str]:
        """Ids of all users ever erased."""
        self._commits.readable()
        found = scan(self._cluster, self.names.users, query={"exists": {"field": "erased"}}, fields=["user_id"])
        return frozenset(document.source["user_id"] for document in found)

    # --- movies -------------------------------------------------------------------------------------------------
    def put_movies(self, movies: Sequence[Movie], vectors: Sequence[MovieVector] = ()) -> int:
        """Add or replace movies. Vectors of their old records are replaced by these."""
        given: dict[str, list[tuple[str, str, str | None]]] = {}
        bodies = bodies_of(movies, vectors)
        for vector in vectors:
            given.setdefault(vector.movie_id, []).append(_form(vector))
        return self._put([(movie_id, True, body, given.get(movie_id, [])) for movie_id, body in bodies])

    def delete_movie(self, movie_id: str) -> int:
        """Write a tombstone for a movie."""
        check_text("film id", movie_id)
        return self._put([(movie_id, True, None, [])])

    def put_vectors(self, vectors: Sequence[MovieVector]) -> int:
        """Add or replace vectors of movies, which need not be in the store."""
        given: dict[str, list[tuple[str, str, str | None]]] = {}
        for vector in vectors:
            check_vector(vector)
            given.setdefault(vector.movie_id, []).append(_form(vector))
        return self._put([(movie_id, False, None, forms) for movie_id, forms in given.items()])

    def delete_vector(self, movie_id: str, space: str) -> int:
        """Write a tombstone for a vector, which hides the snapshot's."""
        check_text("film id", movie_id)
        return self._put([(movie_id, False, None, [(space, "", None)])])

    def _put(self, movies: Sequence[tuple[str, bool, str | None, list[tuple[str, str, str | None]]]]) -> int:
        """Write movies: id, whether the record is replaced, its JSON, vectors."""
        if not movies:
            return self.seq()
        reads = [vectors_address(self.names, movie_id) for movie_id, *_ in movies]
        reads += [movie_address(self.names, movie_id) for movie_id, replaces, *_ in movies if replaces]

        def work(batch: Batch) -> int:
            for movie_id, replaces, body, vectors in movies:
                held = batch.documents[vectors_address(self.names, movie_id)]
                has_vectors = bool(vectors) or (body is not None and bool(held))
                batch.add(MovieEntry(batch.seq + 1, movie_id, replaces, body, vectors, has_vectors))
            return batch.seq

        return self._write(reads, work, weight=len(movies))

    def movies(self, only: Collection[str] | None = None) -> list[tuple[str, Movie | None]]:
        """All stored movies, or those with the given ids, in the order of their first write; None if deleted."""
        found = self._of_movies(self.names.movies, only, ["movie_id", "place", "body"])
        found.sort(key=lambda source: source["place"])
        return [(source["movie_id"], movie_of(source["body"], self._cluster.name)) for source in found]

    def vectors(self, only: Collection[str] | None = None) -> list[MovieVector]:
        """All stored vectors, or those of the given movies."""
        return [
            vector_of(source["movie_id"], space, encoder, None if values is None else base64.b64decode(values))
            for source in self._of_movies(self.names.vectors, only, ["movie_id", "spaces"])
            for space, encoder, values in source["spaces"]
        ]

    def _of_movies(self, index: str, only: Collection[str] | None, fields: list[str]) -> list[Source]:
        if only is None:
            self._commits.readable()
            return [document.source for document in scan(self._cluster, index, fields=fields)]
        ids = dict.fromkeys(document_id(movie_id) for movie_id in only if storable(movie_id) is not None)
        return [document.source for document in self._cluster.read([(index, id_) for id_ in ids]) if document.version]

    def search(self, text: str, n: int = 10) -> list[str]:
        """Ids of stored movies by the words of their titles and texts, best first; small mistakes are forgiven."""
        return search_movies(self._cluster, self.names.movies, text, n)

    # --- changes ------------------------------------------------------------------------------------------------
    def seq(self) -> int:
        """The newest sequence number: one request by id, which sees other processes' commits immediately.

        A commit whose writer died is applied a moment after it was first seen here.
        """
        return self._commits.seq()

    def changes(self, since: int) -> Changes:
        """The changes after sequence number `since`."""
        newest = self._commits.readable()
        if since == newest.seq:
            return Changes(newest.seq)
        commits = self._commits.since(since, newest)
        if commits is None:
            return self._all_changes()
        rows = [row for entry in entries_of(commits, since) if (row := log_row(entry))]
        return logged_changes(newest.seq, rows)

    def mark(self) -> Mark:
        """Note the present moment for `since_mark`."""
        return self._commits.mark()

    def since_mark(self, token: str) -> Changes | None:
        """The whole content but for ratings and users who have not changed since a mark."""
        newest = self._commits.readable()
        (mark,) = self._cluster.read([mark_address(self.names, token)])
        commits = self._commits.since(mark.source["seq"], newest) if mark.version else None
        if commits is None:
            return None
        rows = [row for entry in entries_of(commits, mark.source["seq"]) if (row := log_row(entry))]
        return since_marked(newest.seq, rows, self._all_movies())

    def _all_movies(self) -> set[str]:
        """Ids of movies of which a record or a vector is stored."""
        return {
            document.source["movie_id"]
            for index in (self.names.movies, self.names.vectors)
            for document in scan(self._cluster, index, fields=["movie_id"])
        }

    def _all_changes(self) -> Changes:
        seq, found = self._all_users()
        users: list[tuple[str, int | None]] = []
        ratings: list[tuple[int, str, str, float | None, int]] = []
        for user in found:
            users.append((user["user_id"], user["erased"]))
            ratings += [
                (number, user["user_id"], movie_id, stars, timestamp)
                for movie_id, (stars, timestamp, number) in user["ratings"].items()
            ]
        ratings.sort()
        return whole_content(seq, ratings, users, self._all_movies())

    # --- exposures ----------------------------------------------------------------------------------------------
    def log_exposures(self, exposures: Sequence[Exposure]) -> None:
        """Record lists that were shown, but those of users who were erased since."""
        check_exposures(exposures)
        now = time.time_ns()
        users = list(dict.fromkeys(shown.user_id for shown in exposures if shown.experiment))
        held = self._cluster.read([user_address(self.names, user_id) for user_id in users], only="erased")
        erased = {user_id: found.source.get("erased") or 0 for user_id, found in zip(users, held, strict=True)}
        self._cluster.write(
            Action(
                self.names.log,
                f"shown-{uuid.uuid4().hex}",
                None,
                {
                    "kind": "shown",
                    "user": document_id(shown.user_id),
                    "timestamp": shown.timestamp,
                    "order": now + next(self._shown),
                    "body": [shown.user_id, shown.snapshot, shown.model, *shown.movie_ids],
                    **_of_experiment(shown),
                },
            )
            for shown in exposures
            if erased.get(shown.user_id, 0) <= shown.sequence
        )

    def exposures(self, user_id: str, limit: int = 1000) -> list[Exposure]:
        """The newest lists shown to a user, newest first; 10,000 at most."""
        if storable(user_id) is None or limit <= 0:
            return []
        self._cluster.refresh(self.names.log)
        hits = self._cluster.search(
            self.names.log,
            query={"bool": {"filter": [{"term": {"kind": "shown"}}, {"term": {"user": document_id(user_id)}}]}},
            sort=[{"timestamp": "desc"}, {"order": "desc"}],
            size=min(limit, MAX_SHOWN),
        )
        return [_exposure(hit["_source"]) for hit in hits]

    def exposures_of(self, experiment: str, since: int, *, batch: int = 5000) -> Iterator[Exposure]:
        """All lists that an experiment has served since a time, in any order."""
        del batch
        filters = [{"term": {"kind": "shown"}}, {"range": {"timestamp": {"gte": since}}}]
        for document in scan(self._cluster, self.names.log, query={"bool": {"filter": filters}}):
            shown = _exposure(document.source)
            if shown.experiment == experiment:
                yield shown

    # --- lifecycle ----------------------------------------------------------------------------------------------
    def ping(self) -> None:
        """Raise `StoreError` unless the store can be read."""
        self.seq()

    def write_problem(self) -> ReadOnlyError | None:
        """Why nothing can be written now, though it can be read: its indices are blocked."""
        return self._health.problem()

    def _look_at_blocks(self, known: ReadOnlyError | None) -> None:
        del known
        answer: Any = self._cluster.call(
            lambda client: client.indices.get_settings(index=",".join(self.names.all()), name="index.blocks.*")
        )
        for index, about in sorted(answer.items()):
            blocks = about.get("settings", {}).get("index", {}).get("blocks", {})
            for name in ("read_only_allow_delete", "read_only", "write"):
                if str(blocks.get(name)) == "true":
                    reason = f"index [{index}] blocked by: [index.blocks.{name}]"
                    raise refused(self._cluster.name, Failure(403, "cluster_block_exception", reason))

    def close(self) -> None:
        """Close the connections. Any later use raises `StoreError`."""
        self._cluster.close()


def _add_states(batch: Batch, by_user: Mapping[str, Sequence[MovieState]]) -> None:
    for user_id, of_user in by_user.items():
        changes = [(one.state, one.movie_id, one.timestamp) for one in of_user]
        batch.add(StatesEntry(batch.seq + 1, user_id, changes))


def _form(vector: MovieVector) -> tuple[str, str, str | None]:
    return vector.space, vector.encoder, base64.b64encode(bytes_of(vector)).decode()


def _exposure(source: Source) -> Exposure:
    user_id, snapshot, model, *movie_ids = source["body"]
    return exposure_of(
        user_id, source["timestamp"], snapshot, model, movie_ids, *source.get("experiment", ("", "", "", 0))
    )


def _of_experiment(shown: Exposure) -> Source:
    """What the document of a list has besides, where an experiment served it."""
    if not shown.experiment:
        return {}
    return {
        "experiment": [shown.experiment, shown.arm, exposure_details(shown), shown.sequence],
        # Documents with a time are deleted `KEY_SECONDS` after it.
        "created": float(shown.timestamp + EXPOSURE_SECONDS - KEY_SECONDS),
    }
