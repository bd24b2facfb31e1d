"""Similar films by plot: words (TF-IDF) and vectors of texts, in the engine, over sockets and on the command line."""

from __future__ import annotations

import asyncio
import json
import math
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinee.api import create_app
from matinee.api.recommender.app import create_recommender_app
from matinee.classic import recommend_similar
from matinee.cli import main
from matinee.client import AsyncClient, Client, RefusedError, calls
from matinee.data.catalog import Movie
from matinee.data.dataset import Dataset
from matinee.engine import Engine
from matinee.engine.types import PlotMethod
from matinee.errors import InvalidInputError
from matinee.settings import Settings
from matinee.training.pipeline import train_dataset
from socket_support import on_a_socket
from support import random_dataset, with_overviews
from tiny_models import WORDS, text_folder

COMMON = {"a", "about", "of", "who", "the"}
"""Words of `WORDS` that say nothing of a plot."""
BARE = ("m37", "m38", "m39")
"""Films without a plot."""
METHODS: tuple[PlotMethod, ...] = ("tfidf", "embedding")


def plots_dataset(n_plots: int = 37) -> Dataset:
    """The random data set with a plot of twelve words, some of them twice, for the first films."""
    dice = random.Random(0)
    plain = random_dataset()
    plots = [" ".join(dice.choices(WORDS, k=12)) for _ in range(n_plots)]
    return with_overviews(plain, [*plots, *[None] * (len(plain.catalog) - n_plots)], "plots")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A snapshot with plots and vectors of texts; copied before writing."""
    folder = tmp_path_factory.mktemp("plots")
    settings = Settings(
        data_dir=folder / "data",
        cache_dir=folder / "cache",
        text_encoder=str(text_folder(folder / "words")),
        image_encoder="off",
    )
    train_dataset(settings, plots_dataset())
    return settings


@pytest.fixture(scope="module")
def read(trained: Settings) -> Iterator[Engine]:
    """An engine that nobody writes to."""
    with Engine.open(trained) as engine:
        yield engine


@pytest.fixture
def own(trained: Settings, tmp_path: Path) -> Settings:
    """Settings of a copy that may be written to."""
    shutil.copytree(trained.data_dir, tmp_path / "own")
    return trained.model_copy(update={"data_dir": tmp_path / "own"})


def ids(answer: Any) -> list[str]:
    return [item.movie_id for item in answer]


def slow_tfidf(plots: list[str | None]) -> list[dict[str, float]]:
    """Unit TF-IDF vectors, (1 + ln tf)·(ln((1 + N) / (1 + df)) + 1), of words that two plots have, one a plot."""
    counts = [Counter(word for word in (plot or "").split() if word not in COMMON) for plot in plots]
    films = Counter(word for count in counts for word in count)
    vectors = []
    for count in counts:
        vector = {
            word: (1 + math.log(times)) * (math.log((1 + len(plots)) / (1 + films[word])) + 1)
            for word, times in count.items()
            if films[word] > 1
        }
        length = math.sqrt(sum(value**2 for value in vector.values()))
        vectors.append({word: value / length for word, value in vector.items()})
    return vectors


# --- words -----------------------------------------------------------------------------------------------------
def test_words_are_compared_by_the_cosine_of_tfidf(read: Engine) -> None:
    catalog = read.request_view().catalog
    vectors = slow_tfidf(catalog.column("overview"))
    for row in (0, 7, 36):
        expected = {
            catalog.ids([other])[0]: sum(value * vectors[other].get(word, 0) for word, value in vectors[row].items())
            for other in range(37)
            if other != row
        }
        answer = read.similar(catalog.ids([row])[0], by="plot", method="tfidf", n=40)
        assert (answer.model, answer.method, answer.fallback) == ("plot", "tfidf", None)
        assert {item.movie_id: item.score for item in answer} == pytest.approx(
            {movie_id: cosine for movie_id, cosine in expected.items() if cosine > 0}, abs=1e-5
        )
        assert [item.score for item in answer] == sorted((item.score for item in answer), reverse=True)
        for item in answer:
            one, other = vectors[row], vectors[item.row]
            parts = {word: value * other[word] for word, value in one.items() if word in other}
            assert item.reason is not None
            named = item.reason.removeprefix("shared words: ").split(", ")
            assert len(named) == min(5, len(parts))
            least = min(parts[word] for word in named)
            assert all(value <= least + 1e-6 for word, value in parts.items() if word not in named)
            assert item.because is None


def test_vectors_are_compared_among_films_with_a_plot(read: Engine) -> None:
    space = read.request_view().spaces["text"].space
    asked = space.vectors[list(space.rows).index(3)]
    cosines = {f"m{row}": float(vector @ asked) for row, vector in zip(space.rows, space.vectors, strict=True)}
    best = sorted((set(cosines) - {"m3", *BARE}), key=lambda movie_id: -cosines[movie_id])[:6]
    answer = read.similar("m3", by="plot", method="embedding", n=6)
    assert (answer.model, answer.method, answer.index) == ("plot", "embedding", "exact")
    assert ids(answer) == best
    np.testing.assert_allclose([item.score for item in answer], [cosines[name] for name in best], atol=1e-5)
    assert all(item.reason is None for item in answer)
    assert ids(read.similar("m3", by="plot", n=6)) == best, "vectors are the default where there are any"
    assert read.similar("m3", by="plot", n=6, index="hnsw").index == "hnsw"


@pytest.mark.parametrize("method", [None, *METHODS])
def test_filters_and_films_without_a_plot(read: Engine, method: PlotMethod | None) -> None:
    every = read.similar("m1", by="plot", method=method, n=40)
    some = read.similar("m1", by="plot", method=method, n=40, filter='genre = "Comedy"')
    assert ids(some) == [item.movie_id for item in every if "Comedy" in item.genres]
    assert not {"m1", *BARE} & set(ids(every))
    answer = read.similar("m38", by="plot", method=method, n=4)
    assert (answer.model, answer.fallback, answer.method, len(answer)) == ("content", "content", None, 4)
    assert ids(answer) == ids(read.similar("m38", by="content", n=4))


# --- what is refused -------------------------------------------------------------------------------------------
def test_a_method_goes_with_plots_only(read: Engine) -> None:
    for by in ("taste", "content", "poster", "blend"):
        with pytest.raises(InvalidInputError, match=rf"not with by={by}\. Leave it out, or use by=plot"):
            read.similar("m1", by=by, method="tfidf")
    with pytest.raises(InvalidInputError, match=r"no method 'bm25'\. Use tfidf or embedding"):
        read.similar("m1", by="plot", method="bm25")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match=r"have no faiss index\. Use index=exact or method=embedding"):
        read.similar("m1", by="plot", method="tfidf", index="faiss")


def test_without_vectors_words_answer(trained: Settings, tmp_path: Path) -> None:
    settings = trained.model_copy(update={"data_dir": tmp_path / "data", "text_encoder": "off"})
    train_dataset(settings, plots_dataset())
    with Engine.open(settings) as engine:
        assert engine.similar("m1", by="plot").method == "tfidf"
        with pytest.raises(
            InvalidInputError, match=r"no vectors of texts .* Use method=tfidf, or set MATINEE_TEXT_ENC"
        ):
            engine.similar("m1", by="plot", method="embedding")
        with pytest.raises(InvalidInputError, match="no hnsw index"):
            engine.similar("m1", by="plot", index="hnsw")
        assert recommend_similar(engine, "faiss", 3, "Story of the Laughing Number 1", "plot").index == "exact"


def test_without_plots_nothing_is_compared(trained: Settings, tmp_path: Path) -> None:
    settings = trained.model_copy(update={"data_dir": tmp_path / "data"})
    train_dataset(settings, plots_dataset(0))
    with Engine.open(settings) as engine:
        for method in (None, *METHODS):
            with pytest.raises(InvalidInputError, match=r"No film here has a plot\. Give films an overview"):
                engine.similar("m1", by="plot", method=method)
        engine.patch_movie("m1", {"overview": "the lighthouse keeper"})
        engine.patch_movie("m2", {"overview": "a lighthouse in a storm"})
        with pytest.raises(InvalidInputError, match=r"no words of plots.* Train again, or use method=embedding"):
            engine.similar("m1", by="plot", method="tfidf")
        assert ids(engine.similar("m1", by="plot")) == ["m2"]


# --- what is written while serving -----------------------------------------------------------------------------
@pytest.mark.parametrize("method", METHODS)
def test_films_written_count_at_once(own: Settings, method: PlotMethod) -> None:
    with Engine.open(own) as engine, Engine.open(own) as other:
        plot = engine.movie("m5").overview
        engine.put_movies([Movie(movie_id="twin", title="Twin", genres=("Drama",), overview=plot)])
        for each in (engine, other):
            if method == "tfidf":
                twin = each.similar("m5", by="plot", method=method, n=1)[0]
                assert (twin.movie_id, twin.score) == ("twin", pytest.approx(1, abs=1e-5))
            assert "twin" in ids(each.similar("m5", by="plot", method=method, n=30))
            assert "m5" in ids(each.similar("twin", by="plot", method=method, n=30))
        engine.patch_movie("twin", {"overview": None})
        for each in (engine, other):
            assert each.similar("twin", by="plot", method=method).fallback == "content"
            assert "twin" not in ids(each.similar("m5", by="plot", method=method, n=40))
        engine.patch_movie("m38", {"overview": plot})
        assert "m38" in ids(other.similar("m5", by="plot", method=method, n=40))
        engine.delete_movie("m38")
        assert "m38" not in ids(other.similar("m5", by="plot", method=method, n=40))
        engine.put_movies([Movie(movie_id="odd", title="Odd", overview="Xylophones yodel.")])
        odd = other.similar("odd", by="plot", method="tfidf")
        assert odd.fallback == "content", "no word of its plot is known"


# --- over sockets ----------------------------------------------------------------------------------------------
def test_over_http(trained: Settings, read: Engine) -> None:
    with on_a_socket(create_app(trained, read)) as url, Client(url) as core:
        for method in METHODS:
            answer = core.send(calls.similar("m4", by="plot", method=method, n=3))
            direct = read.similar("m4", by="plot", method=method, n=3)
            assert [item["movie_id"] for item in answer["items"]] == ids(direct)
            assert (answer["model"], answer["method"]) == ("plot", method)
            assert [item.get("reason") for item in answer["items"]] == [item.reason for item in direct]
            assert core.send(calls.similar("m4", by="plot", method=method, n=3)) == answer, "cached"

            async def ask(method: str = method) -> Any:
                client = AsyncClient(url)
                try:
                    return await client.send(calls.similar("m4", by="plot", method=method, n=3))
                finally:
                    await client.close()

            assert asyncio.run(ask()) == answer
        assert core.send(calls.similar("m4", by="plot"))["method"] == "embedding"
        bare = core.send(calls.similar("m38", by="plot", method="tfidf"))
        assert (bare["model"], bare["fallback"]) == ("content", "content")
        assert "method" not in bare
        for call in (calls.similar("m4", method="tfidf"), calls.similar("m4", by="plot", method="bm25")):
            with pytest.raises(RefusedError) as refused:
                core.send(call)
            assert refused.value.status == 422
        with pytest.raises(RefusedError, match="Leave it out, or use by=plot"):
            core.send(calls.similar("m4", by="content", method="embedding"))

        classic = core.send(
            calls.similar_titles("faiss", 3, "Story of the Weeping Number 4", space="plot", method="embedding")
        )
        assert (classic["space"], classic["method"], classic["index"]) == ("plot", "embedding", "faiss")
        classic = core.send(
            calls.similar_titles("faiss", 3, "Story of the Weeping Number 4", space="plot", method="tfidf")
        )
        assert (classic["space"], classic["method"], classic["index"]) == ("plot", "tfidf", "exact")
        assert all(item["reason"].startswith("shared words: ") for item in classic["recommendations"])
        classic = core.send(calls.similar_titles("annoy", 3, "Story of the Weeping Number 38", space="plot"))
        assert (classic["space"], classic["fallback"], classic.get("method")) == ("content", "content", None)
        with pytest.raises(RefusedError, match="goes with by=plot only"):
            core.send(calls.similar_titles("annoy", 3, "Story of the Weeping Number 38", method="tfidf"))


def test_behind_a_recommender_service(trained: Settings, read: Engine) -> None:
    with on_a_socket(create_recommender_app(trained)) as url:
        behind = trained.model_copy(update={"recommender_url": url})
        with Engine.open(behind) as engine:
            assert engine.similar("m4", by="plot", method="tfidf") == read.similar("m4", by="plot", method="tfidf")


# --- on the command line ---------------------------------------------------------------------------------------
def test_on_the_command_line(
    trained: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MATINEE_DATA_DIR", str(trained.data_dir))
    monkeypatch.setenv("MATINEE_CONFIG", str(trained.data_dir / "none.toml"))
    monkeypatch.setenv("MATINEE_DATA", "plots")

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["similar", *words])
        return code, *capsys.readouterr()

    code, out, _ = run("id:m4", "--by", "plot", "--method", "tfidf", "-n", "3")
    assert code == 0
    assert "by plot (tfidf)" in " ".join(out.split())
    assert "Shared words" in out
    code, out, _ = run("id:m4", "--by", "plot", "-n", "3")
    assert (code, "by plot (embedding)" in " ".join(out.split()), "Genres" in out) == (0, True, True)
    answer = json.loads(run("id:m4", "--by", "plot", "--method", "tfidf", "-n", "3", "--json")[1])
    assert answer["method"] == "tfidf"
    assert all(item["reason"] for item in answer["items"])
    code, _, told = run("id:m38", "--by", "plot")
    assert (code, "not known by plot" in told) == (0, True)
    code, _, told = run("id:m4", "--method", "tfidf")
    assert (code, "by=plot" in told) == (1, True)
    assert run("id:m4", "--by", "plot", "--method", "bm25")[0] == 2


# --- on the web ------------------------------------------------------------------------------------------------
def test_on_the_pages(trained: Settings, read: Engine) -> None:
    from matinee.web.pages.film import movie_page
    from matinee.web.pages.similar import plotted, recommended
    from matinee.web.shell import Shell

    async def ask(url: str) -> tuple[Any, ...]:
        core = AsyncClient(url)
        shell = Shell(core)
        try:
            films = [await movie_page(shell, movie_id) for movie_id in ("m4", "m38")]
            likenesses = ("Plot: words", "meaning", "content", "nonsense")
            return *films, *[
                await recommended(shell, "faiss", 3, "Story of the Weeping Number 4", each) for each in likenesses
            ]
        finally:
            await core.close()

    with on_a_socket(create_app(trained, read)) as url:
        film, bare, words, meaning, content, other = asyncio.run(ask(url))
    plots = {each["method"]: each for each in film["similar"] if each["by"] == "plot"}
    assert list(plots) == ["embedding", "tfidf"]
    for method, each in plots.items():
        found = read.similar("m4", by="plot", method=method, n=6)
        assert [item["movie_id"] for item in each["items"]] == ids(found)
    assert all(item["reason"] for item in plots["tfidf"]["items"])
    assert [each["by"] for each in bare["similar"]] == ["taste", "content", "poster"]
    assert (words["space"], words["method"], words["asked"]["likeness"]) == ("plot", "tfidf", "words")
    assert all(item["reason"] for item in words["items"])
    assert (meaning["space"], meaning["method"], meaning["index"]) == ("plot", "embedding", "faiss")
    assert (plotted(words)["space"], plotted(meaning)["space"]) == ("content", "text")
    assert content == other
    assert (content["space"], content["method"]) == ("content", None)
