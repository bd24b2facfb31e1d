"""The app's face: a heading, one tab a page, and the endpoint `open` that brings any address back."""

from __future__ import annotations

from typing import Any

import gradio as gr

from matinee.client import AsyncClient
from matinee.web.pages import PAGES
from matinee.web.shell import Shell, address_of, params_of
from matinee.web.views import View

TITLE = "Matinee"
HEADING = '<h1 class="brand"><a href="?tab=for-you" data-go>Matinee</a></h1><p class="motto">Films that suit you.</p>'


def build_blocks(core: AsyncClient) -> gr.Blocks:
    """All pages over one client of the core."""
    blocks = gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True)
    with blocks:
        shell = Shell(core)
        gr.HTML(HEADING, elem_id="heading")
        router = View("router", events=["open"], elem_id="router")
        built = []
        with gr.Tabs(elem_id="pages") as tabs:
            for name, (label, build) in PAGES.items():
                with gr.Tab(label, id=name, elem_id=f"page-{name}") as tab:
                    built.append(build(shell))
                tab.select(None, js=f"() => matinee.tab({name!r})")
        shell.address.change(None, [shell.address], js="(query) => matinee.address(query)")

        async def open_address(query: str) -> list[Any]:
            params = params_of(query)
            page = next((page for page in built if page.id == params.get("tab")), built[0])
            answers: list[Any] = [gr.Tabs(selected=page.id), query or address_of(page.id)]
            for each in built:
                answers += await each.restore(params) if each is page else [gr.skip()] * len(each.outputs)
            return answers

        outputs = [tabs, shell.address, *(output for page in built for output in page.outputs)]
        shell.listen(router.open, open_address, take=["query"], outputs=outputs, api_name="open", last=True)
    return blocks
