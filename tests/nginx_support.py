"""A real nginx with the files of deploy/nginx, on ports of its own and with folders of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from debian_support import unpacked
from service_support import free_port

CONFIGURATION = Path(__file__).parents[1] / "deploy" / "nginx"


@dataclass(frozen=True)
class Nginx:
    """A running nginx.

    Attributes:
        url: its address over HTTP.
        tls_url: over HTTPS, where it has a certificate.
    """

    url: str
    tls_url: str
    folder: Path

    def log(self) -> list[dict[str, Any]]:
        """The lines of the access log."""
        lines = (self.folder / "access.log").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def logged(self, request_id: str) -> dict[str, Any]:
        """The line of a request, which is written just after its answer."""
        end = time.monotonic() + 90
        while time.monotonic() < end:
            for line in self.log():
                if line["request_id"] == request_id:
                    return line
            time.sleep(0.02)
        raise AssertionError(self.log())


def rendered(
    folder: Path, upstreams: Mapping[str, Sequence[str]], ports: Sequence[int], certificate: Path | None
) -> Path:
    """The files of deploy/nginx with other ports and folders; nothing else is changed."""
    shutil.copytree(CONFIGURATION, folder / "conf")
    conf = folder / "conf"
    mime_types = next(path for path in (Path("/etc/nginx/mime.types"), *_unpacked_mime_types()) if path.is_file())
    _replace(
        conf / "nginx.conf",
        {
            "/etc/nginx/mime.types": str(mime_types),
            "/var/cache/nginx": str(folder / "cache"),
            "/run/nginx.pid": str(folder / "nginx.pid"),
            "error_log stderr": f"error_log {folder / 'error.log'}",
            "/dev/stdout": str(folder / "access.log"),
        },
    )
    if certificate is not None:
        shutil.copy(conf / "listen-tls.conf", conf / "listen.conf")
        _replace(
            conf / "listen.conf", {"/etc/nginx/tls": str(certificate), "listen 443": f"listen 127.0.0.1:{ports[1]}"}
        )
    _replace(conf / "listen.conf", {"listen 80": f"listen 127.0.0.1:{ports[0]}"})
    text = (conf / "upstreams.conf").read_text(encoding="utf-8")
    for name, addresses in upstreams.items():
        before, _, rest = text.partition(f"upstream {name} {{")
        block, _, after = rest.partition("}")
        found = [line for line in block.splitlines() if line.strip().startswith("server ")]
        options = found[0].split(";")[0].split()[2:]
        servers = "\n".join(" ".join(["server", address, *options]) + ";" for address in addresses)
        others = "\n".join(line for line in block.splitlines() if line not in found)
        text = f"{before}upstream {name} {{{others}\n{servers}\n}}{after}"
    (conf / "upstreams.conf").write_text(text, encoding="utf-8")
    return conf / "nginx.conf"


def _unpacked_mime_types() -> list[Path]:
    return [Path(unpacked("nginx-common", "etc/nginx/mime.types"))]


def _replace(path: Path, pairs: Mapping[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in pairs.items():
        assert old in text, f"{path.name} does not name {old}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


@contextmanager
def running(folder: Path, upstreams: Mapping[str, Sequence[str]], certificate: Path | None = None) -> Iterator[Nginx]:
    """An nginx that answers.

    Args:
        upstreams: `host:port` of the servers of each upstream.
        certificate: folder of fullchain.pem and privkey.pem, to listen with TLS as well.
    """
    program = unpacked("nginx", "usr/sbin/nginx")
    ports = (free_port(), free_port())
    (folder / "cache").mkdir()
    configuration = rendered(folder, upstreams, ports, certificate)
    # Its workers would run as nobody, who may not enter the folders of pytest.
    main = "daemon off; user root;" if os.getuid() == 0 else "daemon off;"
    words = [program, "-p", folder, "-c", configuration, "-e", folder / "error.log"]
    checked = subprocess.run([*words, "-t"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen([*words, "-g", main], stderr=subprocess.DEVNULL)
    try:
        nginx = Nginx(f"http://127.0.0.1:{ports[0]}", f"https://127.0.0.1:{ports[1]}", folder)
        end = time.monotonic() + 90
        while True:
            try:
                httpx.get(f"{nginx.url}/-/healthy", timeout=5, trust_env=False)
                break
            except httpx.TransportError:
                assert process.poll() is None, (folder / "error.log").read_text(encoding="utf-8")
                assert time.monotonic() < end
                time.sleep(0.02)
        yield nginx
    finally:
        process.terminate()
        process.wait(90)
