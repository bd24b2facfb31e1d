"""The registry of known data sets, and `auto`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from matinee._util.progress import Progress
from matinee.data.assets import Asset, ensure, is_cached
from matinee.errors import FetchError, NotFoundError
from matinee.settings import Settings

_GROUPLENS = "https://files.grouplens.org/datasets/movielens/"
_RESEARCH = "GroupLens: research use, non-commercial"
_NO_SHARING = "GroupLens: research use, non-commercial, not to be redistributed"
_SMALL_SHA256 = "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436"
_HASHES_1M = ("a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20", "c4d9eecfca2ab87c1945afe126590906")
_HASHES_10M = ("813c411ccb6122564edfe752e7f80c4dcc5aa25fa94c93622f6877a7ba252862", "ce571fd55effeba0271552578f2648bd")
_HASHES_20M = ("96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3", "cd245b17a1ae2cc31bb14903e1204af3")
_HASHES_25M = ("8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa", "6b51fb2759a8657d3bfcbfc42b592ada")
_HASHES_32M = ("e4a68655d7386b8f95f2f2424b2ff975dfdd15ffd59e0d864a14dca43e99d6ee", "d472be332d4daa821edc399621853b57")
_CSV = ("ratings.csv", "movies.csv", "tags.csv", "links.csv", "README.txt")
_DAT = ("ratings.dat", "movies.dat", "tags.dat", "users.dat", "README", "README.html")


@dataclass(frozen=True)
class DatasetInfo:
    """A data set of the registry, with its published size."""

    name: str
    films: int
    users: int
    ratings: int
    licence: str
    source: str
    cached: bool = False


def _zip(
    name: str, size: int, sha256: str, md5: str = "", *, members: tuple[str, ...], required: tuple[str, ...]
) -> Asset:
    return Asset(
        name=name,
        url=f"{_GROUPLENS}{name}.zip",
        hash=("sha256", sha256),
        published=("md5", md5) if md5 else None,
        members=members,
        required=required,
        max_bytes=size << 20,
    )


_csv = partial(_zip, members=_CSV, required=("ratings.csv", "movies.csv", "links.csv"))
_dat = partial(_zip, members=_DAT, required=("ratings.dat", "movies.dat"))


# GroupLens publishes md5 sums of its stable releases, but none for ml-latest-small, and no sha256. The sha256 are those
# that several projects, independent of each other, pin or report for the same archives, most beside the same md5.
_REGISTRY: dict[str, tuple[Asset, DatasetInfo]] = {
    asset.name if key is None else key: (asset, DatasetInfo(key or asset.name, *sizes, licence, asset.source))
    for key, asset, sizes, licence in [
        (None, _csv("ml-latest-small", 16, _SMALL_SHA256), (9_742, 610, 100_836), _RESEARCH),
        (
            "ml-100k",
            Asset(
                name="ml-100k-9c9948202011",
                requirement="recbole==1.2.1",
                hash=("sha256", "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"),
                members=("ml-100k.inter", "ml-100k.item", "ml-100k.user"),
                max_bytes=16 << 20,
            ),
            (1_682, 943, 100_000),
            _NO_SHARING,
        ),
        (None, _dat("ml-1m", 64, *_HASHES_1M), (3_883, 6_040, 1_000_209), _NO_SHARING),
        (None, _dat("ml-10m", 512, *_HASHES_10M), (10_681, 71_567, 10_000_054), _NO_SHARING),
        (None, _csv("ml-20m", 1024, *_HASHES_20M), (27_278, 138_493, 20_000_263), _RESEARCH),
        (None, _csv("ml-25m", 1024, *_HASHES_25M), (62_423, 162_541, 25_000_095), _RESEARCH),
        (None, _csv("ml-32m", 2048, *_HASHES_32M), (87_585, 200_948, 32_000_204), _RESEARCH),
    ]
}


def list_datasets(settings: Settings | None = None) -> list[DatasetInfo]:
    """All known data sets; `cached` says whether they are in the cache."""
    settings = settings or Settings()
    return [replace(info, cached=is_cached(asset, settings)) for asset, info in _REGISTRY.values()]


def dataset_asset(name: str) -> Asset:
    """The asset of a data set.

    Raises:
        NotFoundError: no such data set.
    """
    if name not in _REGISTRY:
        raise NotFoundError(
            f"There is no data set {name!r}, and no folder of that name.",
            f"Give a folder, `auto`, or one of: {', '.join(_REGISTRY)}.",
        )
    return _REGISTRY[name][0]


def get_dataset_files(name: str, settings: Settings, progress: Progress | None = None) -> Path:
    """The folder with a data set's files. Fetches them if they are not in the cache.

    Args:
        name: of `list_datasets`, or "auto".

    Raises:
        NotFoundError: no such data set.
        FetchError: it cannot be fetched.
    """
    if name == "auto":
        return locate_auto(settings, progress)[1]
    return ensure(dataset_asset(name), settings, progress)


def locate_auto(
    settings: Settings, progress: Progress | None = None, *, first: str = "ml-latest-small", second: str = "ml-100k"
) -> tuple[str, Path, tuple[str, ...]]:
    """The default data set: ml-latest-small, or MovieLens 100K if GroupLens does not answer in time.

    Returns:
        Name, folder, and notes (one line if the second is used).

    Raises:
        FetchError: neither is cached, and neither can be fetched.
    """
    try:
        return first, get_dataset_files(first, settings, progress), ()
    except FetchError as error:
        reason = error.message
    try:
        folder = get_dataset_files(second, settings, progress)
    except FetchError as error:
        raise FetchError(
            f"No data set is available. {reason} {error.message}",
            "Give a folder of MovieLens or CSV files, or try again with a network connection.",
        ) from error
    note = f"Using {second} from the package index instead of {first}: {reason}"
    return second, folder, (note,)
