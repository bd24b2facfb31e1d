"""Commands for API keys: create, list, revoke."""

from __future__ import annotations

import re
from datetime import timedelta
from getpass import getuser
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from matinee.cli.console import AsJson, is_narrow, load_settings, note, print_json, table
from matinee.errors import InvalidInputError

if TYPE_CHECKING:
    from matinee.access import Key
    from matinee.settings import Settings

app = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1), "y": timedelta(days=365)}
_LASTS = re.compile(r"([1-9]\d{0,5})([hdwy])")
LONGEST = timedelta(days=36_500)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for; names of keys in use differ.")],
    role: Annotated[
        Literal["read", "write", "admin"],
        typer.Option(help="read: no changes; write: ratings, films, posters; admin: everything."),
    ],
    user: Annotated[
        str | None, typer.Option(metavar="ID", help="Only the films, and the ratings and lists of this user.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="How long it lasts: 12h, 90d, 8w, 1y. Default: until revoked.")
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(min=0, help="Requests a minute to a worker process; 0: unlimited. Default: MATINEE_RATE_LIMIT."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Make an API key and print it, once: only a hash of it is kept."""
    from matinee.access import KeyFile, new_key

    settings = load_settings()
    _check(name, role, user)
    key, text = new_key(name, role, user=user, lasts=_lasts(expires), rate=rate)
    keys = KeyFile(settings.keys_path)
    first = not keys.keys()
    keys.add(key)
    _record(settings, "key created", key)
    if json:
        print_json({"key": text, **_shown(key)})
    else:
        typer.echo(text)
    note(f"The key is shown this once; {settings.keys_path} keeps a hash of it. Send it as `Authorization: Bearer …`.")
    if first and settings.auth == "auto":
        note("From now on the services that read this file demand keys. Give MATINEE_API_KEY to those that ask others.")


@app.command("list")
def list_(json: AsJson = False) -> None:
    """All keys, without the keys themselves; those revoked in the last 90 days, too."""
    from matinee.access import KeyFile

    keys = sorted(KeyFile(load_settings().keys_path).keys().values(), key=lambda key: key.created)
    if json:
        print_json({"items": [_shown(key) for key in keys]})
        return
    if not keys:
        note("There is no key; `matinee keys create NAME --role read` makes one.")
        return
    narrow = is_narrow()
    columns = ["Id", "Name", "Role", "User", "State", *(() if narrow else ("Created", "Requests a minute"))]
    rows = [
        [
            key.id,
            key.name,
            key.role,
            key.user or "",
            _state(key),
            *(() if narrow else (f"{key.created:%Y-%m-%d}", "" if key.rate is None else str(key.rate or "unlimited"))),
        ]
        for key in keys
    ]
    table("", columns, rows, whole=("Id",))


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID", help="Of `matinee keys list`.")]) -> None:
    """Revoke a key: running services refuse it from the next request on."""
    from matinee.access import KeyFile

    settings = load_settings()
    key = KeyFile(settings.keys_path).revoke(_id_of(key_id))
    _record(settings, "key revoked", key)
    typer.echo(f"Revoked {key.id} ({key.name}).")


def _id_of(text: str) -> str:
    """The id; of a whole key, too, since that is what its holder has."""
    from matinee.access.keys import parsed

    key = parsed(text)
    return key.id if key else text


def _check(name: str, role: str, user: str | None) -> None:
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise InvalidInputError("A key's name has 1 to 100 characters, all of them visible.", "Choose another name.")
    if user is None:
        return
    from matinee.data.ids import ID_LENGTH, USER_ID

    if not 0 < len(user) <= ID_LENGTH or not re.search(USER_ID, user):
        raise InvalidInputError(f"{user!r} is not an id of a user.", "See `matinee history ID`.")
    if role == "admin":
        raise InvalidInputError("A key for one user cannot have the role admin.", "Choose read or write, or no --user.")


def _lasts(text: str | None) -> timedelta | None:
    if text is None:
        return None
    match = _LASTS.fullmatch(text.strip().lower())
    if match is None or (lasts := int(match[1]) * _UNITS[match[2]]) > LONGEST:
        raise InvalidInputError(f"--expires {text!r} is not a time.", "Write it like 12h, 90d, 8w or 1y; 100y at most.")
    return lasts


def _state(key: Key) -> str:
    from matinee.access.keys import now

    if key.revoked is not None:
        return f"revoked {key.revoked:%Y-%m-%d}"
    if key.expires is None:
        return "valid"
    return f"{'expired' if key.expires <= now() else 'until'} {key.expires:%Y-%m-%d %H:%M}"


def _shown(key: Key) -> dict[str, Any]:
    """A key without the hash of its secret."""
    return key.model_dump(mode="json", exclude={"secret_sha256"})


def _record(settings: Settings, act: str, key: Key) -> None:
    from matinee.access.audit import AuditLog

    try:
        account = getuser()
    except (OSError, KeyError, ImportError):  # an account without a name, as in a container
        account = None
    AuditLog(settings).write(act, user_id=key.user, key=key.id, name=key.name, role=key.role, account=account)
