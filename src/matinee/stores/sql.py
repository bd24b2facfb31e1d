"""What the stores in SQL databases share: tables of the same names and columns, and most statements.

Every change takes the next sequence number in its own transaction. The log holds at least `keep_log` changes. A reader
that is further behind gets the whole content (`Changes.complete` is False).
"""

from __future__ import annotations

import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from matinee.data.catalog import Movie
from matinee.databases.lifetime import Lifetime
from matinee.errors import StoreError
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
from matinee.stores.group_commit import GroupCommit, Job, run
from matinee.stores.records import (
    EXPOSURE_SECONDS,
    IMPORT_SECONDS,
    KEEP_MARKS,
    KEY_SECONDS,
    bodies_of,
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
    log_end,
    logged_changes,
    movie_of,
    progress_of,
    since_marked,
    storable,
    vector_of,
    whole_content,
)

Row = tuple[Any, ...]
Bodies = Sequence[tuple[str, str | None]]
"""Ids of movies and their JSON; None for a tombstone."""


STATE = "SELECT seq, log_floor FROM state"
EXPOSURE = "user_id, snapshot, model, experiment, arm, timestamp, movie_ids, details, seq"
"""Columns of a list that was shown."""
FORGET_LOGGED = """
    WITH RECURSIVE entries(seq) AS (
        SELECT version FROM users WHERE user_id = %s
        UNION ALL
        SELECT log.previous FROM entries JOIN log ON log.seq = entries.seq WHERE log.previous IS NOT NULL
    )
    DELETE FROM log WHERE seq IN (SELECT seq FROM entries) AND user_id = %s"""
LOG_SINCE = """
    SELECT seq, user_id, movie_id, known_before, before, after, timestamp FROM log WHERE seq > %s ORDER BY seq"""
ALL_MOVIES = "SELECT movie_id FROM movies UNION SELECT movie_id FROM vectors"
DROP_MARKS = "DELETE FROM marks WHERE token NOT IN (SELECT token FROM marks ORDER BY created DESC, seq DESC LIMIT %s)"
LOG_STATES = """
    INSERT INTO log (seq, user_id, known_before, previous)
    VALUES (%s, %s, true, (SELECT version FROM users WHERE user_id = %s))"""
USER = """
    SELECT r.movie_id, r.rating, r.timestamp, u.version, u.erased, NULL AS state
    FROM users u LEFT JOIN ratings r ON r.user_id = u.user_id WHERE u.user_id = %s
    UNION ALL SELECT movie_id, NULL, timestamp, 0, NULL, state FROM states WHERE user_id = %s"""


class Connection(Protocol):
    """A connection within a transaction. Statements mark values by `%s`."""

    def execute(self, statement: str, values: Sequence[object] = (), /) -> Any:
        """Run a statement; returns a cursor."""
        ...


C = TypeVar("C", bound=Connection)
C_co = TypeVar("C_co", bound=Connection, covariant=True)
T = TypeVar("T")


class Database(Protocol[C_co]):
    """Connections of one process to a database. Thread-safe."""

    @property
    def label(self) -> str:
        """The database, for messages."""
        ...

    @property
    def lifetime(self) -> Lifetime:
        """From opening to closing."""
        ...

    def query(self, statement: str, values: Sequence[object] = (), /) -> list[Row]:
        """Rows of one reading statement."""
        ...

    def read(self, work: Callable[[C_co], T], /) -> T:
        """Run `work` in a transaction that sees one state of the database. It may run twice."""
        ...

    def write(self, work: Callable[[C_co], T], since: float | None = None, /) -> T:
        """Run `work` in a transaction. Returns after a durable commit. `work` may run twice, but is committed once.

        Args:
            work: writes.
            since: when its caller began to wait for other writers (`time.monotonic`); None: now.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class SqlStore(ABC, Generic[C]):
    """A `Store` in an SQL database, but for what each database does in its own way.

    Commits come one after the other, over all processes, so that numbers become visible in their order. What several
    threads of this one write at the same time shares a commit.

    Args:
        database: closed with the store.
        keep_log: minimum number of changes in the log.
        clock: seconds since 1970, for the age of idempotency keys.
        patience: seconds that a write waits for other writers.
    """

    STATE = STATE
    """Reads the state before a commit, which other writers wait for from then on."""

    def __init__(
        self, database: Database[C], keep_log: int, clock: Callable[[], float], patience: float = float("inf")
    ) -> None:
        self._database, self._keep_log, self._clock = database, keep_log, clock
        self._seq = 0  # the last number taken by the commit in the making
        self._group = GroupCommit(
            self._commit,
            database.lifetime,
            lambda error: not isinstance(error, StoreError) or self._by_statement(error.__cause__),
            lambda error: self._by_lock(error.__cause__),
            patience,
        )

    def _write(self, work: Callable[[C], T], weight: int = 1) -> T:
        """Run `work`, which writes about so many rows, in a transaction that no other writer disturbs."""
        result: T = self._group.write(Job(work=work, weight=weight))
        return result

    def _commit(self, jobs: Sequence[Job[C, Any]]) -> None:
        def work(connection: C) -> None:
            # First, so that what the jobs read cannot change.
            self._seq = before = connection.execute(self.STATE).fetchone()[0]
            run(jobs, connection)
            if self._seq > before:
                connection.execute("UPDATE state SET seq = %s", (self._seq,))
                slack = max(1, self._keep_log // 100)
                if self._seq // slack > before // slack:  # not at each commit: looking takes a statement
                    # Where a new mark lets many go, they go bit by bit, so that no write waits for all of it.
                    drop_old_log(connection, self._keep_log, slack, 10 * slack + 2 * (self._seq - before))

        self._database.write(work, min(job.queued for job in jobs))

    def _next_seq(self, count: int) -> int:
        """Allocate `count` sequence numbers and return the last one."""
        self._seq += count
        return self._seq

    def close(self) -> None:
        """Close the connections. Any later use raises `StoreError`."""
        self._database.close()

    # --- each database's own --------------------------------------------------------------------------------
    @abstractmethod
    def _by_statement(self, cause: BaseException | None) -> bool:
        """Whether a transaction failed by what was written, not since the database is away or in use."""

    def _by_lock(self, cause: BaseException | None) -> bool:
        """Whether a transaction failed since another writer kept its lock for too long."""
        del cause
        return False

    @abstractmethod
    def _rows(self, connection: C, statement: str) -> Iterable[Row]:
        """Rows of a whole table."""

    @abstractmethod
    def _of_movies(self, columns: str, table: str, only: Collection[str] | None) -> list[Row]:
        """Rows of a table, or those of the given movies."""

    @abstractmethod
    def _put_ratings(self, connection: C, seq: int, ratings: Sequence[Rating]) -> None:
        """Log and upsert distinct ratings, of which the last gets the sequence number `seq`."""

    @abstractmethod
    def _put_states(self, connection: C, states: Sequence[MovieState]) -> None:
        """Upsert distinct states, and delete those without a time."""

    @abstractmethod
    def _put_movies(self, connection: C, seq: int, bodies: Bodies) -> None:
        """Log and upsert movies, of which the last gets the sequence number `seq`.

        Vectors of replaced records are deleted.
        """

    @abstractmethod
    def _log_movies(self, connection: C, seq: int, movie_ids: Sequence[str]) -> None:
        """Log changes of movies, of which the last gets the sequence number `seq`."""

    @abstractmethod
    def _put_vectors(self, connection: C, vectors: Sequence[MovieVector]) -> None:
        """Upsert vectors; one without values is a tombstone. Of each movie and space the last wins."""

    @abstractmethod
    def _put_exposures(self, connection: C, rows: Sequence[Row]) -> None:
        """Insert exposures, `EXPOSURE` and movies as JSON, but those of users erased after their `seq`."""

    def _stored(self, text: str) -> str:
        """A text as it is stored."""
        return text

    def _restored(self, rows: Iterable[Row], *columns: int) -> Iterable[Row]:  # noqa: ARG002 - where texts change
        """Rows with the texts in these columns as they were given to `_stored`."""
        return rows

    def _looked_up(self, text: str) -> str | None:
        """A text as it is stored, or None (which matches nothing in SQL) if it cannot be stored."""
        return None if storable(text) is None else self._stored(text)

    # --- ratings --------------------------------------------------------------------------------------------
    def put_ratings(self, ratings: Sequence[Rating], *, key: str | None = None) -> int:
        """Upsert by (user, movie); of repeated pairs the last wins. Returns the sequence number after the write.

        Raises:
            ConflictError: the key was used for other ratings.
            InvalidInputError: ids that are not valid Unicode, or numbers that are not finite; nothing is stored.
            StoreError: nothing is stored, or the message says that this is not known.
        """
        distinct = distinct_ratings(ratings)

        def put(connection: C) -> int:
            seq = self._next_seq(len(distinct))
            self._put_ratings(connection, seq, distinct)
            return seq

        if key is None:
            return self._write(put, len(distinct))
        check_text("idempotency key", key)
        stored, digest, now = self._stored(key), digest_of(distinct), self._clock()

        def put_once(connection: C) -> int:
            connection.execute("DELETE FROM keys WHERE created < %s", (now - KEY_SECONDS,))
            row = connection.execute("SELECT digest, seq FROM keys WHERE key = %s", (stored,)).fetchone()
            if row is not None:
                if row[0] != digest:
                    raise key_conflict(key)
                return int(row[1])
            seq = put(connection)
            connection.execute("INSERT INTO keys VALUES (%s, %s, %s, %s)", (stored, digest, seq, now))
            return seq

        return self._write(put_once, len(distinct))

    def put_import(
        self,
        progress: ImportProgress,
        after: int,
        ratings: Sequence[Rating],
        movies: Sequence[Movie],
        states: Sequence[MovieState] = (),
    ) -> int:
        """Upsert rows of an import, tombstones too, and its progress, in one transaction. Returns the sequence number.

        Raises:
            ConflictError: the import has not come to line `after`; nothing is stored.
            InvalidInputError, StoreError: as `put_ratings`.
        """
        distinct, bodies, told = import_rows(progress, ratings, movies)
        by_user = distinct_states(states)
        key, body, now = self._stored(progress.key), self._stored(told), self._clock()

        def put(connection: C) -> int:
            row = connection.execute("SELECT body FROM imports WHERE key = %s", (key,)).fetchone()
            check_progress(None if row is None else self._progress(row), after, progress.key)
            if bodies:
                self._put_movies(connection, self._next_seq(len(bodies)), bodies)
            if distinct:
                self._put_ratings(connection, self._next_seq(len(distinct)), distinct)
            self._write_states(connection, by_user)
            if row is None:
                connection.execute("DELETE FROM imports WHERE updated < %s", (now - IMPORT_SECONDS,))
            connection.execute(
                "INSERT INTO imports VALUES (%s, %s, %s) ON CONFLICT (key) DO UPDATE"
                " SET body = excluded.body, updated = excluded.updated",
                (key, body, now),
            )
            return self._next_seq(0)

        return self._write(put, len(distinct) + len(bodies) + len(states) + 1)

    def import_progress(self, key: str) -> ImportProgress | None:
        """How far an import has come; None: nothing is stored under this key."""
        rows = self._database.query("SELECT body FROM imports WHERE key = %s", (self._looked_up(key),))
        return self._progress(rows[0]) if rows else None

    def _progress(self, row: Row) -> ImportProgress:
        ((body,),) = self._restored([row], 0)
        return progress_of(body)

    def delete_rating(self, user_id: str, movie_id: str, timestamp: int) -> int:
        """Write a tombstone for (user, movie). Returns the sequence number."""
        return self.put_ratings([Rating(user_id, movie_id, None, timestamp)])

    def put_states(self, states: Sequence[MovieState]) -> int:
        """Set and remove states, of one user or several; of repeated ones the last wins. Returns the sequence number.

        Raises:
            InvalidInputError: ids that are not valid Unicode, a time that is too large, or no such state.
            StoreError: nothing is stored, or the message says that this is not known.
        """
        by_user = distinct_states(states)

        def put(connection: C) -> int:
            self._write_states(connection, by_user)
            return self._next_seq(0)

        return self._write(put, sum(map(len, by_user.values())))

    def _write_states(self, connection: C, by_user: Mapping[str, Sequence[MovieState]]) -> None:
        for user_id, of_user in by_user.items():
            user = self._stored(user_id)
            seq = self._next_seq(1)
            connection.execute(LOG_STATES, (seq, user, user))
            self._put_states(connection, of_user)
            connection.execute(
                "INSERT INTO users (user_id, version) VALUES (%s, %s)"
                " ON CONFLICT (user_id) DO UPDATE SET version = excluded.version",
                (user, seq),
            )

    def user(self, user_id: str) -> UserOverlay:
        """Everything stored about one user."""
        user = self._looked_up(user_id)
        rows = self._database.query(USER, (user, user))
        if not rows:
            return UserOverlay()
        # Only the rows of ratings have a version, of which there is always one: with a user that has none, without a
        # movie.
        version = max(row[3] for row in rows)
        erased = any(row[4] is not None for row in rows)
        ratings: dict[str, Rating] = {}
        states: dict[State, dict[str, int]] = {}
        for movie_id, stars, timestamp, _, _, state in self._restored(rows, 0):
            if state is not None:
                states.setdefault(state, {})[movie_id] = timestamp
            elif movie_id is not None:
                ratings[movie_id] = Rating(user_id, movie_id, stars, timestamp)
        return UserOverlay(version, erased, ratings, states)

    def erase_user(self, user_id: str) -> int:
        """Delete a user's ratings, states, exposures and log entries, and mark the user as erased."""
        check_text("user id", user_id)
        return self._write(lambda connection: self._erase(connection, self._stored(user_id)))

    def _erase(self, connection: C, user: str) -> int:
        seq = self._next_seq(1)
        connection.execute("DELETE FROM exposures WHERE user_id = %s", (user,))
        connection.execute("DELETE FROM ratings WHERE user_id = %s", (user,))
        connection.execute("DELETE FROM states WHERE user_id = %s", (user,))
        connection.execute(FORGET_LOGGED, (user, user))  # a former erasure, too
        connection.execute("INSERT INTO log (seq, user_id) VALUES (%s, %s)", (seq, user))
        connection.execute(
            "INSERT INTO users VALUES (%s, %s, %s) ON CONFLICT (user_id) DO UPDATE SET"
            " version = excluded.version, erased = excluded.erased",
            (user, seq, seq),
        )
        return seq

    def erased_users(self) -> frozenset[str]:
        """Ids of all users ever erased."""
        rows = self._database.query("SELECT user_id FROM users WHERE erased IS NOT NULL")
        return frozenset(user_id for (user_id,) in self._restored(rows, 0))

    # --- movies ---------------------------------------------------------------------------------------------
    def put_movies(self, movies: Sequence[Movie], vectors: Sequence[MovieVector] = ()) -> int:
        """Add or replace movies. Vectors of their old records are replaced by these."""
        return self._write_movies(bodies_of(movies, vectors), vectors)

    def delete_movie(self, movie_id: str) -> int:
        """Write a tombstone for a movie."""
        check_text("film id", movie_id)
        return self._write_movies([(movie_id, None)], ())

    def _write_movies(self, bodies: Bodies, vectors: Sequence[MovieVector]) -> int:
        def put(connection: C) -> int:
            seq = self._next_seq(len(bodies))
            self._put_movies(connection, seq, bodies)
            self._put_vectors(connection, vectors)
            return seq

        return self._write(put, len(bodies))

    def movies(self, only: Collection[str] | None = None) -> list[tuple[str, Movie | None]]:
        """All stored movies, or those with the given ids, in the order of their first write; None if deleted."""
        rows = self._of_movies("movie_id, body, place", "movies", only)
        rows.sort(key=lambda row: row[2])
        return [(movie_id, movie_of(body, self._database.label)) for movie_id, body, _ in self._restored(rows, 0)]

    def put_vectors(self, vectors: Sequence[MovieVector]) -> int:
        """Add or replace vectors of movies, which need not be in the store."""
        for vector in vectors:
            check_vector(vector)
        return self._write_vectors(vectors)

    def delete_vector(self, movie_id: str, space: str) -> int:
        """Write a tombstone for a vector, which hides the snapshot's."""
        check_text("film id", movie_id)
        return self._write_vectors([MovieVector(movie_id, space, "", np.zeros(0, dtype=np.float32))])

    def _write_vectors(self, vectors: Sequence[MovieVector]) -> int:
        movie_ids = list(dict.fromkeys(vector.movie_id for vector in vectors))

        def put(connection: C) -> int:
            seq = self._next_seq(len(movie_ids))
            self._log_movies(connection, seq, movie_ids)
            self._put_vectors(connection, vectors)
            return seq

        return self._write(put, len(movie_ids))

    def vectors(self, only: Collection[str] | None = None) -> list[MovieVector]:
        """All stored vectors, or those of the given movies."""
        rows = self._of_movies("movie_id, space, encoder, body", "vectors", only)
        return [vector_of(*row) for row in self._restored(rows, 0, 1, 2)]

    # --- changes --------------------------------------------------------------------------------------------
    def seq(self) -> int:
        """The newest sequence number; sees other processes' commits immediately."""
        return int(self._database.query("SELECT seq FROM state")[0][0])

    def changes(self, since: int) -> Changes:
        """The changes after sequence number `since`."""

        def read(connection: C) -> Changes:
            seq, floor = connection.execute(STATE).fetchone()
            if since == seq:
                return Changes(seq)
            if not floor <= since < seq:
                return self._whole_content(connection, seq)
            return logged_changes(seq, self._logged(connection, since))

        return self._database.read(read)

    def _whole_content(self, connection: C, seq: int) -> Changes:
        ratings = self._rows(connection, "SELECT seq, user_id, movie_id, rating, timestamp FROM ratings ORDER BY seq")
        users = self._rows(connection, "SELECT user_id, erased FROM users")
        return whole_content(
            seq,
            self._restored(ratings, 1, 2),
            self._restored(users, 0),
            self._all_movies(connection),
        )

    def _logged(self, connection: C, since: int) -> list[Row]:
        return list(self._restored(connection.execute(LOG_SINCE, (since,)).fetchall(), 1, 2))

    def _all_movies(self, connection: C) -> list[str]:
        return [movie_id for (movie_id,) in self._restored(self._rows(connection, ALL_MOVIES), 0)]

    def mark(self) -> Mark:
        """Note the present moment for `since_mark`."""
        token = secrets.token_hex(16)

        def put(connection: C) -> Mark:
            mark = Mark(token, self._next_seq(0))
            connection.execute("INSERT INTO marks VALUES (%s, %s, %s)", (token, mark.seq, self._clock()))
            connection.execute(DROP_MARKS, (KEEP_MARKS,))
            return mark

        return self._write(put)

    def since_mark(self, token: str) -> Changes | None:
        """The whole content but for ratings and users who have not changed since a mark."""

        def read(connection: C) -> Changes | None:
            mark = connection.execute("SELECT seq FROM marks WHERE token = %s", (token,)).fetchone()
            seq, floor = connection.execute(STATE).fetchone()
            if mark is None or mark[0] < floor:
                return None
            return since_marked(seq, self._logged(connection, mark[0]), self._all_movies(connection))

        return self._database.read(read)

    def compact(self, keep: int) -> None:
        """Delete all but the newest `keep` changes from the log, marks or not. Writes do this automatically."""
        self._write(lambda connection: cut_log(connection, connection.execute(STATE).fetchone()[0] - keep))

    # --- exposures ------------------------------------------------------------------------------------------
    def log_exposures(self, exposures: Sequence[Exposure]) -> None:
        """Record lists that were shown, but those of users who were erased since."""
        check_exposures(exposures)
        rows = []
        for shown in exposures:
            texts = map(self._stored, (shown.user_id, shown.snapshot, shown.model, shown.experiment, shown.arm))
            movies, details = json.dumps(shown.movie_ids), exposure_details(shown)
            rows.append((*texts, shown.timestamp, movies, details, shown.sequence))
        oldest = int(self._clock()) - EXPOSURE_SECONDS

        def put(connection: C) -> None:
            connection.execute("DELETE FROM exposures WHERE timestamp < %s AND experiment != ''", (oldest,))
            self._put_exposures(connection, rows)

        if rows:
            self._write(put, len(rows))

    def exposures(self, user_id: str, limit: int = 1000) -> list[Exposure]:
        """The newest lists shown to a user, newest first."""
        rows = self._database.query(
            f"SELECT {EXPOSURE} FROM exposures WHERE user_id = %s ORDER BY timestamp DESC, id DESC LIMIT %s",
            (self._looked_up(user_id), max(0, limit)),
        )
        return list(self._exposures(rows))

    def exposures_of(self, experiment: str, since: int, *, batch: int = 5000) -> Iterator[Exposure]:
        """All lists that an experiment has served since a time, oldest first."""
        name, last = self._looked_up(experiment), (since, -1)
        while rows := self._database.query(
            f"SELECT {EXPOSURE}, id FROM exposures WHERE (timestamp, id) > (%s, %s) AND experiment = %s"
            " ORDER BY timestamp, id LIMIT %s",
            (*last, name, batch),
        ):
            last = rows[-1][5], rows[-1][-1]
            yield from self._exposures(row[:-1] for row in rows)

    def _exposures(self, rows: Iterable[Row]) -> Iterator[Exposure]:
        for user_id, snapshot, model, experiment, arm, timestamp, movies, *rest in self._restored(rows, 0, 1, 2, 3, 4):
            yield exposure_of(user_id, timestamp, snapshot, model, json.loads(movies), experiment, arm, *rest)

    def ping(self) -> None:
        """Raise `StoreError` unless the store can be read."""
        self._database.query("SELECT seq FROM state")


def drop_old_log(connection: Connection, keep: int, slack: int, most: int) -> None:
    """Delete changes from the log that are not needed, once there are at least `slack`; `most` at a time."""
    seq, floor = connection.execute(STATE).fetchone()
    if seq - floor < keep + slack:
        return
    marks = connection.execute("SELECT seq FROM marks ORDER BY seq DESC LIMIT 2").fetchall()
    end = log_end(seq, floor, keep, [mark for (mark,) in marks])
    if end >= floor + slack:
        cut_log(connection, min(end, floor + most))


def cut_log(connection: Connection, end: int) -> None:
    """Delete changes up to a sequence number from the log."""
    connection.execute("DELETE FROM log WHERE seq <= %s", (end,))
    connection.execute("UPDATE state SET log_floor = %s WHERE log_floor < %s", (end, end))
