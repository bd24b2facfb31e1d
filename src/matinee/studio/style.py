"""The studio's style: Streamlit options, and escaping of untrusted text."""

from __future__ import annotations

import re
import string
from html import escape
from typing import Any

SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
MONO = "ui-monospace, SFMono-Regular, Menlo, 'DejaVu Sans Mono', monospace"
SERIES = ("#b91c1c", "#0f766e", "#b45309", "#1d4ed8", "#7e22ce", "#4d7c0f", "#be185d", "#57534e")
SERIES_DARK = ("#f87171", "#2dd4bf", "#fbbf24", "#93c5fd", "#d8b4fe", "#bef264", "#f9a8d4", "#d6d3d1")
"""Colors of charts in light and dark mode. Contrast is at least 3:1."""

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
"""Streamlit options: no telemetry, system fonts only, and the colors of `matinee.web`."""

DARK_STYLE = """<style>[data-testid="stBaseButton-primary"] p, [data-testid="stBaseButton-primary"] span
{color: #1c1917}
[data-testid="stMultiSelect"] [data-tag], [data-testid="stMultiSelect"] [data-tag] button {color: #1c1917}</style>"""
"""In dark mode the primary color is bright, so primary buttons and chosen values need dark text."""

NAVIGATION_STYLE = """<style>
.st-key-navigation [data-testid="stWidgetLabel"] p {font-weight: 600}
.st-key-navigation [data-testid="stRadioGroup"] {gap: 0; width: 100%}
.st-key-navigation [data-testid="stRadioGroup"] > div {width: 100%}
.st-key-navigation [data-testid="stRadioOption"] {width: 100%; padding: .3rem .6rem; border-radius: 4px;
border-left: 3px solid transparent}
.st-key-navigation [data-testid="stRadioOption"] > div > div:first-child {display: none}
.st-key-navigation [data-testid="stRadioOption"]:hover {background: #8882}
.st-key-navigation [data-testid="stRadioOption"]:has(input:checked) {background: #8883; border-left-color: currentColor}
.st-key-navigation [data-testid="stRadioOption"]:has(input:checked) p {font-weight: 600}
.st-key-navigation [data-testid="stRadioOption"]:has(input:focus-visible) {outline: 2px solid; outline-offset: -2px}
</style>"""
"""The pages of the sidebar are radio buttons that look like links: rows without their dots."""

_MARKS = re.compile(f"([{re.escape(string.punctuation)}])")
_SHORT = re.compile(r":(?=[\w+/-]+:)")


def plain(text: object) -> str:
    """Untrusted text, escaped for Streamlit's Markdown (including formulas, colors and emoji names), on one line."""
    line = " ".join(str(text).split())
    # Names between colons are replaced after unescaping, so an invisible word joiner is inserted.
    return _MARKS.sub(r"\\\1", _SHORT.sub(":\u2060", line))


def truncated(text: str, max_length: int) -> str:
    """A text of at most `max_length` characters, truncated with "…"."""
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def counted(n: int, noun: str) -> str:
    """A number with its noun: "1 film", "1,200 films"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def with_year(title: str, year: int | None) -> str:
    """`Title (Year)`."""
    return title if year is None else f"{title} ({year})"


def html(text: object) -> str:
    """Untrusted text, escaped for `st.html`."""
    return escape(str(text))
