"""The commands serve and settings."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from matinee._util.secrets import HIDDEN, without_password
from matinee.cli.addresses import Host, Insecure, Port, announce, check_address, url_of
from matinee.cli.console import AsJson, load_settings, note, print_json, table
from matinee.cli.processes import in_a_process_of_its_own
from matinee.cli.training import DataOption

if TYPE_CHECKING:
    from matinee.api.serve import Service
    from matinee.settings import Settings

SECRETS = ("tmdb_key", "store_password", "api_key", "web_password", "web_secret")
"""Settings whose values are not printed."""
ServiceName = Literal["core", "recommender", "encoder", "vectors"]
Workers = Annotated[int | None, typer.Option("--workers", "-w", min=1, max=256, help="Worker processes.")]


def serve(
    service: Annotated[ServiceName, typer.Argument(help="Which service.", show_default=True)] = "core",
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    data: DataOption = None,
    insecure: Insecure = None,
) -> None:
    """Serve HTTP: the whole of Matinee (core), or a part of it: scores, encoders of texts and images, nearest vectors.

    With --data, train first where no snapshot of these data is current.
    """
    from matinee.api.serve import PORTS

    settings = load_settings(host=host, workers=workers, data=data, insecure=insecure, **{PORTS[service]: port})
    check_port(settings, service)
    if data is not None and service != "encoder" and not has_snapshot(settings):
        in_a_process_of_its_own("train", "--data", data)
    run_service(settings, service)


def has_snapshot(settings: Settings) -> bool:
    """Whether there is a current or previous snapshot of the configured data. Prints which one."""
    from matinee.training.pipeline import snapshot_of

    snapshot_id = snapshot_of(settings)
    if snapshot_id is not None:
        note(f"Using the snapshot {snapshot_id} of {settings.snapshots_dir} (train again with `matinee train`).")
    return snapshot_id is not None


def check_port(settings: Settings, service: Service = "core") -> None:
    """Check that a service may listen where it is to, and that its port is free, before slow work begins.

    Raises:
        InvalidInputError: it would be open to others, the port is in use, or the address is not one of this machine.
    """
    from matinee.access import check_start
    from matinee.api.serve import PORTS, port_of

    check_start(settings)
    others = f"--port 9000, MATINEE_{PORTS[service].upper()}=9000"
    if service == "core":
        others += ", or make demo PORT=9000"
    check_address(settings.host, port_of(settings, service), others)


def run_service(settings: Settings, service: Service = "core") -> None:
    """Serve until SIGINT or SIGTERM. Prints the URL."""
    from matinee.api.serve import port_of
    from matinee.api.serve import serve as run

    if port := port_of(settings, service):
        announce(settings.host, port, f"try {url_of(settings.host, port)}/docs · Ctrl-C stops")
    with suppress(KeyboardInterrupt):  # Ctrl-C is how a server is meant to end
        run(settings, service)
    note("Stopped.")


def settings(json: AsJson = False) -> None:
    """All settings: value, where it comes from, what it does."""
    import tomllib

    from matinee.settings import CLASSIC_NAMES, Settings, secrets_dirs

    values = load_settings()
    classic = {setting: name for name, setting in CLASSIC_NAMES.items() if os.environ.get(name)}
    config = os.environ.get("MATINEE_CONFIG", "matinee.toml")
    in_file = tomllib.loads(Path(config).read_text(encoding="utf-8")) if Path(config).is_file() else {}
    in_secrets = {path.name.lower(): str(path) for folder in reversed(secrets_dirs()) for path in folder.iterdir()}
    environment = {name.upper() for name in os.environ}
    rows = []
    for name, field in Settings.model_fields.items():
        variable = f"MATINEE_{name.upper()}"
        elsewhere = classic.get(name) or in_secrets.get(variable.lower()) or (config if name in in_file else "default")
        source = variable if variable in environment else elsewhere
        rows.append((name, _shown(name, getattr(values, name)), source, variable, field.description or ""))
    if json:
        keys = ("name", "value", "source", "variable", "description")
        print_json({"items": [dict(zip(keys, row, strict=True)) for row in rows]})
        return
    cells = [
        [variable, str(value), "" if source == "default" else source, text] for _, value, source, variable, text in rows
    ]
    table("", ["Variable", "Value", "Set by", "Meaning"], cells, whole=("Variable",))


def _shown(name: str, value: object) -> object:
    """A setting's value without the secrets in it; an address may hold a password."""
    if name in SECRETS and value:
        return HIDDEN
    return without_password(value) if name.endswith("_url") and isinstance(value, str) else value
