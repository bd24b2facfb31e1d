"""The web app in a real browser: from a click on a star to the new list, beside a bare Gradio round trip, in one run.

    python benchmarks/web.py [--clicks 100]

Trains ml-latest-small with overviews and posters in a scratch folder (with a small image encoder), and runs the core,
the web app and a Gradio app of one button and one text that counts, each one process. One Chromium has a page of each,
and clicks in turn, so that a disturbance hits both. A click lasts until the frame in which the new list (the new count)
is on the screen. Below stands what of that goes without a browser: the same endpoint by HTTP, and the core's part.
Last, how long the web app takes from the start of its process to its first page, beside the bare app.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import numpy as np
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from apps_support import serving  # noqa: E402
from browser_support import DESKTOP, FLAGS, chromium, kept_films, new_user, rated_in, redrawn_in, train_films  # noqa: E402
from matinee.client import Client, calls  # noqa: E402
from service_support import free_port  # noqa: E402
from support import SHARED  # noqa: E402

TARGET = 300.0
"""Milliseconds from a click to the new list, median."""
WARM = 5
STARTS = 3
BARE = """
import sys, gradio as gr, uvicorn
from fastapi import FastAPI
async def count(n):
    return f"<p>{n}</p>", n + 1
with gr.Blocks(analytics_enabled=False) as blocks:
    n = gr.Number(1)
    shown = gr.HTML("<p>0</p>", elem_id="shown")
    gr.Button("More", elem_id="more").click(count, [n], [shown, n], queue=False, show_progress="hidden")
app = gr.mount_gradio_app(FastAPI(), blocks, path="/")
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
"""


def started(command: list[str], url: str, environment: dict[str, str]) -> tuple[subprocess.Popen[bytes], float]:
    """A process, and the seconds until its page has come."""
    with httpx.Client(timeout=30, trust_env=False) as http:
        begin = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *command],
            env=os.environ | environment | {"GRADIO_ANALYTICS_ENABLED": "False"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while True:
            try:
                http.get(url).raise_for_status()
                return process, time.perf_counter() - begin
            except httpx.TransportError:
                if process.poll() is not None:
                    raise SystemExit(f"{command[:3]} did not start") from None
                time.sleep(0.01)


def start_seconds(command: list[str], port: int, environment: dict[str, str]) -> float:
    """The median of a few starts."""
    found = []
    for _ in range(STARTS):
        process, seconds = started(command, f"http://127.0.0.1:{port}/", environment)
        process.terminate()
        process.wait(30)
        found.append(seconds)
    return float(np.median(found))


def show(times: dict[str, list[float]], bare: str) -> None:
    print(f"{'milliseconds':<58}{'p50':>8}{'p95':>8}{'most':>8}{'× bare':>8}")
    for name, found in times.items():
        p50, p95 = np.percentile(found, (50, 95))
        print(f"{name:<58}{p50:>8.1f}{p95:>8.1f}{max(found):>8.1f}{p50 / np.median(times[bare]):>8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clicks", type=int, default=100)
    options = parser.parse_args()
    program = chromium()
    if program is None:
        raise SystemExit("There is no Chromium: apt-get install chromium-headless-shell, or set MATINEE_CHROMIUM.")
    with tempfile.TemporaryDirectory(prefix="matinee-bench-") as scratch, ExitStack() as stack:
        folder = Path(scratch)
        print("training …", flush=True)
        kept = os.environ.get("MATINEE_TEST_TRAINED")
        train = partial(train_films, shared=SHARED)
        films = train(folder) if kept is None else kept_films(Path(kept), folder, train)
        core = stack.enter_context(serving(["serve"], "/ready", folder, films))
        given = {"MATINEE_CORE_URL": core.url}
        bare_port, web_port = free_port(), free_port()
        bare = ["-c", BARE, str(bare_port)]
        seconds = {
            "web app": start_seconds(["-m", "matinee", "web", "--port", str(web_port)], web_port, given),
            "bare Gradio app": start_seconds(bare, bare_port, {}),
        }
        web = stack.enter_context(serving(["web"], "/health", folder, given))
        process, _ = started(bare, f"http://127.0.0.1:{bare_port}/", {})
        stack.callback(lambda: (process.terminate(), process.wait(30)))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        stack.callback(browser.close)
        size = {"width": DESKTOP[0], "height": DESKTOP[1]}
        app, counter = browser.new_page(viewport=size), browser.new_page(viewport=size)
        app.goto(f"{web.url}/?tab=for-you&user={new_user()}")
        app.locator("#wall li").first.wait_for()
        app.locator("#picks li").first.wait_for()
        counter.goto(f"http://127.0.0.1:{bare_port}/")
        counter.locator("#more").wait_for()
        places = app.locator("#wall li").count()
        rated = app.locator("#wall li").evaluate_all("(all) => all.map((one) => one.dataset.movie)")
        client = stack.enter_context(Client(core.url))
        http = stack.enter_context(httpx.Client(timeout=30, trust_env=False))

        def asked(number: int) -> None:
            movie, stars = rated[number % places], 1 + number % 5
            body = {"data": [somebody, movie, stars, None, None, None]}
            http.post(f"{web.url}/gradio_api/run/rate", json=body).raise_for_status()

        def answered(number: int) -> None:
            movie, stars = rated[number % places], float(1 + number % 5)
            client.send(calls.rate(somebody, movie, stars))
            client.send(calls.recommendations(somebody, n=10, explain=True))

        somebody = new_user()
        names = (
            "bare Gradio: click → count",
            f"click on a star → new list (target ≤ {TARGET:.0f})",
            "POST /gradio_api/run/rate, no browser",
            "the core: store a rating, ten films with reasons",
        )
        times: dict[str, list[float]] = {name: [] for name in names}
        for number in range(-WARM, options.clicks):
            app.bring_to_front()  # a page behind draws no frames
            star = rated_in(app, number % places, 1 + (7 * number) % 5)
            counter.bring_to_front()
            count = redrawn_in(counter.locator("#more"), "#shown")
            begin = time.perf_counter()
            asked(number)
            between = time.perf_counter()
            answered(number)
            end = time.perf_counter()
            if number >= 0:
                found = (count, star, 1000 * (between - begin), 1000 * (end - between))
                for name, milliseconds in zip(names, found, strict=True):
                    times[name].append(milliseconds)
        print(f"\n{options.clicks} clicks of each, in turn; ml-latest-small")
        show(times, names[0])
        print("\nseconds from the start of the process to the first page, median of three")
        for name, took in seconds.items():
            print(f"{name:<58}{took:>8.2f}")
        print(f"\nload average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
