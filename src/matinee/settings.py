"""Every setting of Matinee, in one frozen class.

Sources, strongest first: arguments, environment (`MATINEE_PORT=9000`), secret files (`matinee_store_password` in
`/run/secrets`), the TOML file named by `MATINEE_CONFIG` (default `matinee.toml` in the working folder, if it exists),
the defaults below.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_path, user_data_path
from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

MAX_AT_ONCE = 100_000
"""Highest `max_batch` and `max_history`: a larger body is refused before its items are looked at."""


CLASSIC_NAMES = {
    "EMBEDDING_GENERATOR_ENDPOINT": "encoder_url",
    "RECOMMENDER_ENDPOINT": "recommender_url",
    "ELASTICSEARCH_CLIENT": "store_url",
    "VECTOR_INDEX": "vector_index",
    "MOVIE_INDEX": "movie_index",
    "USER_INDEX": "user_index",
}
"""Environment variables of earlier systems and the settings that they stand for, see docs/classic.md."""
_CLASSIC_ROUTES = ("/generate", "/recommend")
"""Routes that an earlier system's endpoint variables may include."""


def _classic_environment() -> dict[str, str]:
    """Settings given under their earlier names. Addresses may include the route that was called there."""
    given = {setting: os.environ.get(name, "").rstrip("/") for name, setting in CLASSIC_NAMES.items()}
    for route in _CLASSIC_ROUTES:
        given = {setting: value.removesuffix(route) for setting, value in given.items()}
    return {setting: value for setting, value in given.items() if value}


def secrets_dirs() -> list[Path]:
    """Folders of files that hold one setting each, named like the variable in lower case: container secrets.

    Those that there are, of all that the variable names; the first that has a setting counts.
    """
    named = os.environ.get("MATINEE_SECRETS_DIR", "/run/secrets").split(os.pathsep)
    return [folder for name in named if name and (folder := Path(name)).is_dir()]


def _file_name(dataset: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", dataset) or "_"


class Settings(BaseSettings):
    """All settings. Sizes are in bytes, times in seconds, unless a name says otherwise.

    Examples:
        >>> matinee.Settings(port=9000, offline=True).port
        9000
    """

    model_config = SettingsConfigDict(env_prefix="MATINEE_", frozen=True, extra="forbid")

    cache_dir: Path = Field(user_cache_path("matinee"), description="Folder of downloaded data sets and weights.")
    data_dir: Path = Field(user_data_path("matinee"), description="Folder of snapshots and the store.")

    host: str = Field("127.0.0.1", description="Address the services bind to.")
    hosts: str = Field(
        "",
        description="Names under which the services may be asked (`films.example.org`, `*.example.org`, `*` for any), "
        "separated by commas, besides this machine's own and the address that they are bound to.",
    )
    origins: str = Field(
        "",
        description="Origins of other sites (`https://example.org`), separated by commas, whose pages may use the API.",
    )
    auth: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether the services demand API keys; `auto`: where the address that they are bound to is not "
        "loopback, and wherever there is a key.",
    )
    insecure: bool = Field(
        False, description="Serve other machines without keys; for networks that you trust (`--insecure`)."
    )
    keys_file: str = Field("", description="File of the API keys; empty: `keys.json` in the data folder.")
    api_key: str = Field("", description="API key that clients, and services that ask other services, send.")
    rate_limit: int = Field(
        0, ge=0, description="Requests a minute of one client to one worker process; 0: unlimited. A key's own counts."
    )
    audit: bool = Field(
        True, description="Record administrative acts and changes of keys in `audit.jsonl` in the data folder."
    )
    hash_ids_in_logs: bool = Field(
        False, description="Write ids of users into the audit log as keyed hashes (the secret is in the data folder)."
    )
    port: int = Field(8000, ge=0, le=65535, description="Port of the core service.")
    classic_root: Literal["", "titles", "factorization"] = Field(
        "",
        description="What `/` of the core service answers: the greeting of the classic title search (`titles`) or of "
        "the classic matrix factorization (`factorization`), or, empty, an index of the service.",
    )
    classic_model: Literal["blend", "forest", "stars"] = Field(
        "blend",
        description="What the classic recommendation routes answer with: the default model (`blend`), each user's "
        "random forest (`forest`, which training then adds; extra `classic`), or predicted stars (`stars`).",
    )
    train_neural: Literal["", "multvae", "recvae"] = Field(
        "",
        description="Autoencoder that training adds to the default lists (extra `neural`): better ones of data with "
        "thousands of users, for minutes of training; or none.",
    )
    workers: int = Field(1, ge=1, le=256, description="Worker processes of a service.")

    data: str = Field("auto", description="Data set to train on: a name of `matinee data list`, a folder, or `auto`.")
    offline: bool = Field(False, description="Do not use the network; use the cache only.")
    fetch_timeout: float = Field(5.0, gt=0, description="Seconds to wait for a data source to answer.")

    default_model: str = Field("blend", description="Model used where a request names none.")
    adventurous: float = Field(
        0.5, ge=0, le=1, description="Popularity penalty: 0 (well-known films) … 1 (the long tail)."
    )
    candidates: int = Field(
        12_000,
        ge=0,
        description="Most-rated films among which lists of the blend are chosen, where the catalog is more than twice "
        "as large; 0: every film is scored for every list.",
    )
    calibration: float = Field(
        0.5,
        ge=0,
        le=1,
        description="How much a list shows each taste of its user: 0 by score alone … 1 by genres, countries, "
        "languages and decades alone.",
    )
    memory_limit: int = Field(
        4 << 30, gt=0, description="Maximum memory of one model while fitting, and of reading a data set."
    )
    memory_budget: int = Field(
        0, ge=0, description="Maximum memory of a whole training, in bytes; 0: what the machine has left."
    )
    device: Literal["auto", "cpu", "gpu"] = Field(
        "auto",
        description="What trains: a GPU where there is one (`auto`), never a GPU (`cpu`), or nothing else (`gpu`).",
    )
    seed: int = Field(0, description="Random seed.")

    verify_on_load: Literal["full", "size"] = Field(
        "full",
        description="Check each snapshot file's sha256 (`full`) or only its size (`size`) when loading.",
    )
    busy_timeout: float = Field(5.0, ge=0, description="Seconds that a write waits for another writer.")
    store_url: str = Field(
        "",
        description="Where ratings, movies and vectors are stored: `http://host:9200` (Elasticsearch; several nodes "
        "separated by commas), `postgresql://host/database`, or empty for an SQLite file in the data folder.",
    )
    store_user: str = Field("", description="User name at the store's server.")
    store_password: str = Field("", description="Password at the store's server.")
    store_timeout: float = Field(5.0, gt=0, description="Seconds that the store's server may take to answer.")
    vector_index: str = Field("matinee-vectors", description="Elasticsearch index of the vectors.")
    movie_index: str = Field("matinee-movies", description="Elasticsearch index of the movies.")
    user_index: str = Field("matinee-users", description="Elasticsearch index of the users and their ratings.")

    max_wait: float = Field(
        0.6, gt=0, le=60, description="Seconds that a request waits for its turn at most; then 503 and `Retry-After`."
    )
    max_body: int = Field(8 << 20, gt=0, description="Maximum size of a request body, in bytes.")
    max_batch: int = Field(10_000, gt=0, le=MAX_AT_ONCE, description="Maximum number of ratings in one request.")
    max_n: int = Field(1000, gt=0, description="Maximum number of items in one answer.")
    max_history: int = Field(
        10_000, gt=0, le=MAX_AT_ONCE, description="Maximum number of ratings in one ad-hoc recommendation request."
    )
    max_filter: int = Field(2000, gt=0, description="Maximum length of a filter, in characters.")
    min_ratings: int = Field(20, ge=0, description="Classic B5 rule: fewer ratings than this → cosine of film vectors.")
    text_encoder: str = Field(
        "minilm",
        description="Encoder of texts: `minilm`, a folder with `model.onnx` and `tokenizer.json`, or `off`.",
    )
    image_encoder: str = Field(
        "lite2",
        description="Encoder of posters: `lite2`, `lite0` (half the cost), a file `….onnx`, or `off`.",
    )
    ocr: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Read the title off pictures that look like no poster: `auto` where the extra `ocr` is installed, "
        "`on` (an error without it), or `off`.",
    )
    core_url: str = Field(
        "",
        description="Core service (`http://host:8000`) that web app and studio ask; empty: this machine's, at `port`.",
    )
    web_port: int = Field(7860, ge=0, le=65535, description="Port of the web app.")
    web_root: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="Path at which a proxy shows the web app (`/films`); empty: it has a host of its own.",
    )
    web_password: str = Field(
        "", description="Password that visitors of the web app and the studio sign in with; empty: nobody has to."
    )
    web_secret: str = Field(
        "", description="Secret that signs the web app's sessions; empty: one that is made in the data folder."
    )
    session_lifetime: int = Field(
        43_200, ge=60, le=31_536_000, description="Seconds after which visitors of the web app sign in again."
    )
    framed_by: str = Field(
        "",
        pattern=r"^(https?://[A-Za-z0-9.*:-]+( https?://[A-Za-z0-9.*:-]+)*)?$",
        description="Origins (`https://example.org`), separated by spaces, whose pages may show the web app in a "
        "frame; empty: none.",
    )
    uploads_limit: int = Field(
        64 << 20,
        gt=0,
        description="Bytes of pictures that the web app holds at a time; a quarter of it for one address.",
    )
    studio_port: int = Field(8501, ge=0, le=65535, description="Port of the studio.")
    studio_root: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="Path below which the studio answers (`/studio`), as a proxy hands it on; empty: at the root.",
    )
    encoder_url: str = Field("", description="Encoder service to ask (`http://host:8001`) instead of encoding here.")
    encoder_port: int = Field(8001, ge=0, le=65535, description="Port of the encoder service.")
    log_format: Literal["text", "json"] = Field(
        "text", description="Logs of the services: lines for people (`text`), or a JSON object a line (`json`)."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")
    log_requests: Literal["auto", "on", "off"] = Field(
        "auto", description="A line in the log for each request; `auto`: with `log_format` `json` only."
    )
    telemetry: str = Field(
        "",
        description="OTLP/HTTP endpoint that traces are sent to (`http://host:4318`), by the extra `telemetry`; "
        "empty: none are sent.",
    )
    recommender_url: str = Field(
        "", description="Recommender service to ask (`http://host:8002`) instead of scoring here."
    )
    recommender_port: int = Field(8002, ge=0, le=65535, description="Port of the recommender service.")
    recommender_model: Literal["ridge", "forest"] = Field(
        "ridge",
        description="What `POST /recommend` fits on a history of vectors: `ridge`, or `forest`, the classic choice.",
    )
    recommender_max_body: int = Field(
        128 << 20,
        gt=0,
        description="Maximum body size of the recommender service, in bytes; classic clients send all vectors.",
    )
    vectors_url: str = Field("", description="Vector service to ask (`http://host:5000`) for posters.")
    vectors_port: int = Field(5000, ge=0, le=65535, description="Port of the vector service.")
    vectors_space: str = Field(
        "poster",
        description="Spaces that the vector service serves, the first by default: poster, text, content, taste.",
    )
    vectors_index: str = Field("exact", description="Index of the vector service: exact, faiss, annoy or hnsw.")
    max_pixels: int = Field(
        50_000_000, gt=0, description="Maximum number of pixels (width × height) of an image; half of it for WebP."
    )
    poster_hosts: str = Field(
        "",
        description="Hosts (`images.example.org`, `*.example.org`), separated by commas, whose pictures films' records "
        "may link to; empty: all public ones.",
    )
    poster_meaning: bool = Field(
        True, description="Also search posters by what they seem to show (ConSE), as a weak extra signal."
    )
    map_method: Literal["neighbors", "pca", "umap"] = Field(
        "neighbors", description="How films are laid out in two dimensions."
    )
    tmdb_key: str = Field("", description="Key of The Movie Database, for `matinee posters fetch`.")
    tracking: bool = Field(
        False, description="Log every evaluation, search and snapshot to MLflow, by the extra `tracking`."
    )
    tracking_url: str = Field(
        "",
        description="MLflow server (`http://host:5000`) or store (`sqlite:///…`); empty: an SQLite file in the data "
        "folder.",
    )
    registry_model: str = Field(
        "matinee", min_length=1, description="Registered model of MLflow whose versions are the snapshots."
    )
    answer_cache: int = Field(32 << 20, ge=0, description="Bytes of a worker's response cache; 0 disables it.")
    filter_cache: int = Field(
        128 << 20,
        ge=0,
        description="Bytes of a worker's copies of the vectors that a repeated filter allows, in indexes of 65,536 "
        "vectors and more; 0 disables them.",
    )

    @property
    def snapshots_dir(self) -> Path:
        """Folder of the snapshots."""
        return self.data_dir / "snapshots"

    @property
    def checkpoints_dir(self) -> Path:
        """Folder of what trainings that go on, or were killed, have finished."""
        return self.data_dir / "checkpoints"

    @property
    def keys_path(self) -> Path:
        """File of the API keys."""
        return Path(self.keys_file) if self.keys_file else self.data_dir / "keys.json"

    @property
    def runs_dir(self) -> Path:
        """Folder of the stored runs of evaluations."""
        return self.data_dir / "runs"

    def posters_dir(self, dataset: str) -> Path:
        """Folder of the posters of one data set."""
        return self.data_dir / "posters" / _file_name(dataset)

    def store_path(self, dataset: str) -> Path:
        """File of the embedded store of one data set: ids of one data set mean nothing in another."""
        return self.data_dir / "stores" / f"{_file_name(dataset)}.sqlite3"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then environment, then its names of earlier systems, then secret files, then the TOML file."""
        del dotenv_settings, file_secret_settings
        toml = TomlConfigSettingsSource(settings_cls, Path(os.environ.get("MATINEE_CONFIG", "matinee.toml")))
        classic = InitSettingsSource(settings_cls, _classic_environment())
        secrets = [SecretsSettingsSource(settings_cls, folder) for folder in secrets_dirs()]
        return init_settings, env_settings, classic, *secrets, toml
