"""The table of permissions: every route of every service is in it, and what is not there is an administrator's."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts

from matinee.api.permissions import ADMIN, CATALOG, NEEDS, NOWHERE, Permissions, plain
from matinee.api.serve import SERVICES, Service, create
from matinee.settings import Settings

FOUND: set[str] = set()


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_is_in_the_table(service: Service, tmp_path: Path) -> None:
    app = create(service, Settings(data_dir=tmp_path))
    routes = {
        f"{method} {plain(str(route.path))}"
        for route in iter_route_contexts(app.api.routes)
        for method in route.methods or ()
        if method != "HEAD"
    }
    documented = {f"{m.upper()} {path}" for path, methods in app.openapi()["paths"].items() for m in methods}
    assert documented <= routes
    assert not sorted(routes - set(NEEDS)), "say in `NEEDS` what these routes need"
    FOUND.update(routes)


def test_the_table_has_no_other_routes() -> None:
    if len(FOUND) > 60:  # the tests above have run here
        others = {"GET /static-docs/{file}", "POST /v1/imports", "GET /v1/imports/{key}"}  # a mount; may be absent
        assert set(NEEDS) - FOUND <= others


def test_what_is_not_in_the_table_is_an_administrators() -> None:
    permissions = Permissions(lambda method, path: path.startswith("/new"))
    assert permissions.of("GET", "/new/route") == (ADMIN, None)
    assert permissions.of("DELETE", "/new") == (ADMIN, None)
    assert permissions.of("GET", "/nothing") == (NOWHERE, None)
    assert Permissions(lambda *_: True).of("POST", "/v1/movies") == (ADMIN, None)
    assert Permissions(lambda *_: True).of("GET", "/v1/movies\n") == (ADMIN, None)


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/classic/recommendations/42", "/recommendations/{user_id}"),
        ("/classic/titles/recommendation", "/recommendation"),
        ("/favourites/", "/favourites"),
        ("/classic", "/"),
        ("/", "/"),
        ("/classics", None),
        ("/static-docs/a/b.js", "/static-docs/{file}"),
        ("/v1/users/a/b", None),
    ],
)
def test_a_path_has_the_template_of_its_route(path: str, template: str | None) -> None:
    permissions = Permissions(lambda *_: False)
    found = {permissions.of(method, path)[1] for method in ("GET", "POST")} - {None}
    assert found == ({template} if template else set())


def test_heads_are_gets() -> None:
    permissions = Permissions(lambda *_: False)
    assert permissions.of("HEAD", "/v1/movies/1") == (CATALOG, "/v1/movies/{movie_id}")


def test_the_user_of_a_path() -> None:
    permissions = Permissions(lambda *_: False)
    for path in ("/v1/users/u 1/ratings", "/v1/users/u 1", "/classic/recommendations/u 1/"):
        _, template = permissions.of("GET", path)
        assert template is not None
        assert permissions.user_of(template, path) == "u 1"
    assert permissions.user_of("/v1/movies/{movie_id}", "/v1/movies/1") is None
