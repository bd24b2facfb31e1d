"""Core, web app and studio as they run: processes by the real commands, and a small core with posters to ask."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from matinee.posters.store import PosterStore
from matinee.settings import Settings
from matinee.training.pipeline import train
from service_support import free_port
from small_folder import write_folder
from tiny_models import image_model, picture

N_PICTURES = 8
"""Films of the small folder, from id 1 on, that have a poster."""

running: list[Service] = []
"""Services that should be up."""


def environment_of(settings: Settings, folder: Path) -> dict[str, str]:
    """What a process needs to serve what was trained with these settings; no configuration file is read."""
    kept = ("data_dir", "cache_dir", "data", "offline", "text_encoder", "image_encoder", "verify_on_load")
    given = {f"MATINEE_{name.upper()}": str(getattr(settings, name)) for name in kept}
    return given | {"MATINEE_CONFIG": str(folder / "none.toml")}


def train_small(folder: Path) -> dict[str, str]:
    """Train on the small folder with a few posters; returns the environment of a core that serves it."""
    settings = Settings(
        data_dir=folder / "data",
        cache_dir=folder / "cache",
        data=str(write_folder(folder / "small")),
        offline=True,
        text_encoder="off",
        image_encoder=str(image_model(folder / "image.onnx")),
    )
    shelf = PosterStore.of(settings, "small")
    for number in range(1, N_PICTURES + 1):
        shelf.put(str(number), picture(number, sides=(160, 240)))
    train(settings, measure=False)
    return environment_of(settings, folder)


class Service:
    """A command that serves: core, web app or studio, on a port of its own.

    Args:
        words: of the command line after `matinee`; `--port PORT` comes behind them.
        ready: path that answers 200 as soon as it can be used.
    """

    def __init__(self, words: list[str], ready: str, log: Path, environment: dict[str, str]) -> None:
        self.words, self.ready, self.log = words, ready, log
        self.environment = {**os.environ, **environment}
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, at the same address as before, and wait until it can be used."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "matinee", *self.words, "--port", str(self.port)],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        end = time.monotonic() + 90
        with httpx.Client(timeout=5, trust_env=False) as http:
            while time.monotonic() < end:
                assert self.process.poll() is None, self.told()
                try:
                    if http.get(self.url + self.ready).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.05)
        raise AssertionError(f"{self.words} did not start\n{self.told()}")

    def stop(self) -> None:
        """End it as an operator would."""
        if self.process is not None and self.up:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(90)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(60)
        self.process = None

    @property
    def up(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.poll() is None

    def told(self, lines: int = 40) -> str:
        """The end of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


class Door(Service):
    """An address of a service that can be shut: as before a stopped one, connections are refused and open ones end.

    Nothing has to start again, which takes seconds each time. tests/browser stops and starts the services themselves.
    """

    def __init__(self, behind: Service) -> None:
        super().__init__(behind.words, behind.ready, behind.log, behind.environment)
        self.behind = behind.port
        self._ways: list[socket.socket] = []
        self._open = threading.Event()
        self._guard: threading.Thread | None = None

    def start(self) -> None:
        """Let in who comes, at the same address as before."""
        self._open.set()
        self._guard = threading.Thread(target=self._let_in, args=(socket.create_server(("127.0.0.1", self.port)),))
        self._guard.start()

    def stop(self) -> None:
        """Shut the door, also on those who are in."""
        if self._guard is not None:
            self._open.clear()
            self._guard.join(60)
            self._guard = None

    @property
    def up(self) -> bool:
        return self._guard is not None

    def _let_in(self, door: socket.socket) -> None:
        threads = []
        with door:
            door.settimeout(0.02)
            while self._open.is_set():
                with suppress(TimeoutError):
                    came = door.accept()[0]
                    came.settimeout(None)  # on some systems it has that of the door
                    way = socket.create_connection(("127.0.0.1", self.behind))
                    self._ways += (came, way)
                    for one, other in ((came, way), (way, came)):
                        threads.append(threading.Thread(target=_hand_on, args=(one, other)))
                        threads[-1].start()
        for one in self._ways:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(60)
        for one in self._ways:
            one.close()
        self._ways.clear()


def _hand_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while part := one.recv(1 << 16):
            other.sendall(part)
    for each in (one, other):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextmanager
def behind_door(service: Service) -> Iterator[Door]:
    """A door to the service that is open."""
    door = Door(service)
    door.start()
    try:
        yield door
    finally:
        door.stop()


@contextmanager
def serving(words: list[str], ready: str, folder: Path, environment: dict[str, str]) -> Iterator[Service]:
    """A service that can be used."""
    service = Service(words, ready, folder / f"{words[0]}.log", environment)
    # `timeout` and CI end a test run by SIGTERM: as after Ctrl-C, no process should be left then.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        service.start()
        running.append(service)
        yield service
    finally:
        if service in running:
            running.remove(service)
        service.stop()
        signal.signal(signal.SIGTERM, before)
