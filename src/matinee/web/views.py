"""Components drawn in the browser: their value is JSON, their picture is made by a module of `assets/`.

Gradio's own templates are not used for values: `html_template` runs Handlebars and then evaluates `${…}` in the
result, so that a film named `${alert(1)}` would run. The modules escape whatever they put in.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import gradio as gr

_LOADER = """
const events = %(events)s;
import(new URL("matinee/%(module)s.js", document.baseURI).href)
  .then((module) => module.mount({ root: element.querySelector(".view"), element, props, trigger, watch }))
  .catch((error) => { console.error(error); matinee.again(); });
"""


class View(gr.HTML):
    """A component whose value is JSON.

    Args:
        module: module of `assets/` (without `.js`) that exports `mount({root, element, props, trigger, watch})`: it
            draws `props.value` into `root`, now and whenever `watch("value", …)` says so.
        events: names of the events that the module triggers; each is a method for a listener, as `view.rate(…)`.
        value: the first value.
    """

    def __init__(self, module: str, *, events: Sequence[str] = (), value: Any = None, **options: Any) -> None:
        super().__init__(
            value,
            html_template='<div class="view"></div>',
            js_on_load=_LOADER % {"module": module, "events": json.dumps(list(events))},
            apply_default_css=False,  # Gradio's prose rules would reach into our cards
            **options,
        )

    def get_block_name(self) -> str:
        """Drawn by Gradio's HTML component."""
        return "html"

    def api_info(self) -> dict[str, Any]:
        """Any JSON value."""
        return {"type": {}, "description": "any valid json"}


def taking(names: Sequence[str]) -> str:
    """JavaScript for a listener: its first inputs come from `matinee.args`, under these names, the others stay."""
    return f"(...given) => matinee.take({json.dumps(list(names))}, given)"
