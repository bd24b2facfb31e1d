"""A vector service, run as a process, that serves whatever spaces lie in a folder; and the index behind it."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import httpx
import numpy as np

from matinee.api.vectors.app import create_vectors_app
from matinee.api.vectors.space import ServedSpace
from matinee.indexes import VectorIndex, build_index
from matinee.indexes.base import Items, Vectors
from matinee.remote import RemoteIndex
from matinee.settings import Settings

HERE = Path(__file__).parent
_numbers = itertools.count()


class Folders(Mapping[str, ServedSpace]):
    """A space for each folder with `items.npy` and `vectors.npy`, opened when it is first asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[str, ServedSpace] = {}

    def __getitem__(self, name: str) -> ServedSpace:
        if name not in self._open:
            folder = self._root / name
            items, vectors = (np.load(folder / f"{part}.npy", allow_pickle=False) for part in ("items", "vectors"))
            self._open[name] = ServedSpace(name, build_index("exact", items, vectors), lambda _: None)
        return self._open[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(path.name for path in self._root.iterdir() if (path / "vectors.npy").exists()))

    def __len__(self) -> int:
        return len(list(iter(self)))


@cache
def service() -> tuple[str, Path]:
    """Address and folder of the one service of this test run, which ends with it."""
    from service_support import free_port

    root, port = Path(tempfile.mkdtemp(prefix="matinee-spaces-")), free_port()
    process = subprocess.Popen(
        [sys.executable, __file__, str(root), str(port)],
        cwd=HERE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def end() -> None:
        process.terminate()
        process.wait(90)
        shutil.rmtree(root, ignore_errors=True)

    atexit.register(end)
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            httpx.get(f"{url}/health", timeout=5)
            return url, root
        except httpx.TransportError:
            assert process.poll() is None
            time.sleep(0.1)
    raise AssertionError("the vector service did not start")


@contextmanager
def remote(items: Items, vectors: Vectors) -> Iterator[VectorIndex]:
    """An index of these vectors behind HTTP."""
    url, root = service()
    folder = root / f"space-{next(_numbers):06}"
    folder.mkdir()
    np.save(folder / "items.npy", items)
    np.save(folder / "part.npy", vectors)
    (folder / "part.npy").rename(folder / "vectors.npy")
    index = RemoteIndex(url, folder.name)
    try:
        yield index
    finally:
        index.close()
        shutil.rmtree(folder)


def main(root: str, port: str) -> None:
    import uvicorn

    from matinee.api.serve import config_of

    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    app = create_vectors_app(Settings(), served=Folders(Path(root)))
    uvicorn.Server(config_of(Settings(vectors_port=int(port)), app, "vectors")).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
