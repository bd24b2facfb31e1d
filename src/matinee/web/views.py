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


_ANY: dict[str, Any] = {"type": {}, "description": "any valid json"}


def make_view(module: str, *, events: Sequence[str] = (), value: Any = None, **options: Any) -> gr.HTML:
    """A component whose value is JSON.

    A function, not a class: beside the file of every class that extends a component Gradio writes an interface file.

    Args:
        module: module of `assets/` (without `.js`) that exports `mount({root, element, props, trigger, watch})`: it
            draws `props.value` into `root`, now and whenever `watch("value", …)` says so.
        events: names of the events that the module triggers; each is a method for a listener, as `wall.rate(…)`.
        value: the first value.
        options: of `gr.HTML`.
    """
    made = gr.HTML(
        value,
        html_template='<div class="view"></div>',
        js_on_load=_LOADER % {"module": module, "events": json.dumps(list(events))},
        apply_default_css=False,  # Gradio's prose rules would reach into our cards
        **options,
    )
    setattr(made, "api_info", lambda: _ANY)  # noqa: B010 – Gradio says that HTML is text
    return made


def taking(names: Sequence[str]) -> str:
    """JavaScript for a listener: its first inputs come from `matinee.args`, under these names, the others stay."""
    return f"(...given) => matinee.take({json.dumps(list(names))}, given)"
