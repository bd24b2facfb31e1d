"""How the studio looks: Streamlit's options, and text of others shown as text."""

from __future__ import annotations

import re
import string
from html import escape
from typing import Any

SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
MONO = "ui-monospace, SFMono-Regular, Menlo, 'DejaVu Sans Mono', monospace"
SERIES = ("#b91c1c", "#0f766e", "#b45309", "#1d4ed8", "#7e22ce", "#4d7c0f", "#be185d", "#57534e")
SERIES_DARK = ("#f87171", "#2dd4bf", "#fbbf24", "#93c5fd", "#d8b4fe", "#bef264", "#f9a8d4", "#d6d3d1")
"""Colors of charts in light and dark: 3:1 or more on the page's ground."""

OPTIONS: dict[str, Any] = {
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "viewer",
    "logger.hideWelcomeMessage": True,
    "runner.magicEnabled": False,
    "server.enableStaticServing": False,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.maxUploadSize": 1,
    "server.showEmailPrompt": False,
    "theme.font": SANS,
    "theme.codeFont": MONO,
    "theme.baseRadius": "small",
    "theme.metricValueFontSize": "1.5rem",
    "theme.paddingTop": "3rem",
    "theme.headingFontSizes": ["2rem", "1.4rem", "1.15rem", "1rem", "1rem", "1rem"],
    "theme.light.primaryColor": "#b91c1c",
    "theme.light.backgroundColor": "#ffffff",
    "theme.light.secondaryBackgroundColor": "#f5f5f4",
    "theme.light.textColor": "#1c1917",
    "theme.light.linkColor": "#b91c1c",
    "theme.light.chartCategoricalColors": list(SERIES),
    "theme.dark.primaryColor": "#f87171",
    "theme.dark.backgroundColor": "#1c1917",
    "theme.dark.secondaryBackgroundColor": "#292524",
    "theme.dark.textColor": "#f5f5f4",
    "theme.dark.linkColor": "#fca5a5",
    "theme.dark.chartCategoricalColors": list(SERIES_DARK),
}
"""Options of Streamlit: nothing is sent to anybody, no font of elsewhere, colors of `matinee.web`."""

DARK_STYLE = """<style>[data-testid="stBaseButton-primary"] p, [data-testid="stBaseButton-primary"] span
{color: #1c1917}</style>"""
"""In dark, red is bright enough to be read as text, and its buttons, white to Streamlit, need dark letters."""

_MARKS = re.compile(f"([{re.escape(string.punctuation)}])")
_SHORT = re.compile(r":(?=[\w+/-]+:)")


def plain(text: object) -> str:
    """Text of others, escaped for Streamlit's Markdown (its formulas, colors and emoji names too), on one line."""
    line = " ".join(str(text).split())
    # Names between colons are replaced after the escapes are gone: a word joiner, which nobody sees, parts them.
    return _MARKS.sub(r"\\\1", _SHORT.sub(":\u2060", line))


def cut(text: str, longest: int) -> str:
    """A text of `longest` characters at most; where some are left out, "…" says so."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def named(title: str, year: int | None) -> str:
    """`Title (Year)`."""
    return title if year is None else f"{title} ({year})"


def html(text: object) -> str:
    """Text of others, escaped for `st.html`."""
    return escape(str(text))
