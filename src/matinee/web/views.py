"""Components drawn in the browser: their value is JSON, which a module of `assets/` renders.

Values are not rendered with Gradio's templates: `html_template` runs Handlebars and then evaluates `${…}` in the
result, so that a title `${alert(1)}` would be executed. The modules escape all values.
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

    A function and not a class, because Gradio writes a stub file next to every subclass of a component.

    Args:
        module: module of `assets/` (without `.js`) that exports `mount({root, element, props, trigger, watch})`. It
            renders `props.value` into `root`, now and whenever `watch("value", …)` fires.
        events: names of events that the module triggers. Each becomes a method for listeners, for example `wall.rate`.
        value: the initial value.
        options: options of `gr.HTML`.
    """
    view = gr.HTML(
        value,
        html_template='<div class="view"></div>',
        js_on_load=_LOADER % {"module": module, "events": json.dumps(list(events))},
        apply_default_css=False,  # Gradio's prose styles would apply to our cards
        **options,
    )
    setattr(view, "api_info", lambda: _ANY)  # noqa: B010 – Gradio would describe the value as text
    return view


def taking(names: Sequence[str]) -> str:
    """JavaScript for a listener: the first inputs come from `matinee.args` by name, the others are unchanged."""
    return f"(...given) => matinee.take({json.dumps(list(names))}, given)"
