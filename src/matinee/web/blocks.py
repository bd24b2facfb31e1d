"""The page layout: a heading, one tab per page, and the endpoint `open`, which restores the state of an address."""

from __future__ import annotations

from typing import Any

import gradio as gr

from matinee.client import AsyncClient, calls
from matinee.errors import MatineeError
from matinee.web.guard import keep_files_away, keep_no_statistics
from matinee.web.pages import EARLIER, PAGES
from matinee.web.pages.foryou.options import MAX_NAME
from matinee.web.shell import MAX_QUERY, Shell, address_of, params_of
from matinee.web.views import make_view

MAX_SESSIONS = 1000
"""Sessions that Gradio keeps, the newest; each takes 30 to 50 KB, and whoever calls without one makes one. What an
older one would lose is made again from the address of its page."""
MAX_USERS = 8
"""Maximum number of users to choose from."""
TITLE = "Matinee"
HEADING = """<h1 class="brand"><a href="?tab=tonight" data-go>
<svg viewBox="0 0 32 32" aria-hidden="true" fill="currentColor">
<path d="M3 7h26v5a4 4 0 0 0 0 8v5H3v-5a4 4 0 0 0 0-8z"/>
<path fill="#fff" d="m16 9.6 1.9 4 4.4.5-3.3 3 .9 4.3-3.9-2.2-3.9 2.2.9-4.3-3.3-3 4.4-.5z"/></svg>Matinee</a></h1>
<p class="motto" data-words="motto">Films that suit you.</p>"""


def build_blocks(core: AsyncClient) -> gr.Blocks:
    """All pages with one client of the core."""
    blocks = gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(60, 300))
    with blocks:
        shell = Shell(core)
        with gr.Row(elem_id="masthead"):
            gr.HTML(HEADING, elem_id="heading", apply_default_css=False)
            who = make_view("who", events=["users"], elem_id="who")
        router = make_view("router", events=["open"], elem_id="router")
        built = []
        with gr.Tabs(elem_id="pages", overflow_behavior="wrap") as tabs:  # no overflow menu; CSS makes it one row
            for name, (label, build) in PAGES.items():
                with gr.Tab(label, id=name, elem_id=f"page-{name}") as tab:
                    built.append(build(shell))
                tab.select(None, js=f"() => matinee.tab({name!r})")
        pages = sorted(built, key=lambda page: EARLIER.index(page.id) if page.id in EARLIER else len(EARLIER))
        shell.address.change(None, [shell.address], js="(query) => matinee.address(query)")

        async def open_address(query: Any, user: Any = None) -> list[Any]:
            """Bring an address back: which page, the address, and then what is on that page."""
            query = str(query or "")[:MAX_QUERY]
            params = {"user": str(user or "")[:MAX_QUERY]} | params_of(query)
            page = next((page for page in built if page.id == params.get("tab")), built[0])
            answers: list[Any] = [gr.Tabs(selected=page.id), query or address_of(page.id)]
            for other in pages:
                answers += await other.restore(params) if other is page else [gr.skip()] * len(other.outputs)
            return answers

        outputs = [tabs, shell.address, *(output for page in pages for output in page.outputs)]
        opened = shell.listen(
            router.open, open_address, take=["query", "user"], outputs=outputs, api_name="open", last=True
        )
        opened.then(
            None, [shell.address], js="(query) => matinee.answered(query)"
        )  # on a loaded machine Gradio may lose the change

        async def users(prefix: Any = None) -> dict[str, Any]:
            """Users whose name begins so."""
            prefix = str(prefix or "")[:MAX_NAME]
            try:
                [answer] = await shell.ask(calls.users(prefix, limit=MAX_USERS))
            except MatineeError:
                return {"prefix": prefix, "items": []}
            return {"prefix": prefix, "items": answer["items"]}

        shell.listen(who.users, users, take=["prefix"], outputs=[who], api_name="users", last=True)
    keep_files_away(blocks)
    keep_no_statistics(blocks)
    blocks.state_session_capacity = MAX_SESSIONS
    return blocks
