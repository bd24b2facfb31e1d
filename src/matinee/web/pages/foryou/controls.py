"""The controls above the list: genres, years, sliders, and the filter as text."""

from __future__ import annotations

from typing import Any

import gradio as gr

from matinee.web.pages.foryou.filter import Narrowing
from matinee.web.pages.foryou.options import DEFAULT_ADVENTUROUS, DEFAULT_N, MAX_N, MIN_N

FILTER_EXAMPLE = 'genre = "Comedy" and year >= 1990 and not tag = "gore"'


class Controls:
    """The components, created in the current layout.

    Attributes:
        filter_controls: components that become part of the filter.
        options: the other components, the filter first.
    """

    def __init__(self) -> None:
        with gr.Column(elem_id="narrow"):
            with gr.Row(elem_id="narrow-controls"):
                self.genres = gr.Dropdown(
                    [], label="Genres", multiselect=True, allow_custom_value=True, elem_id="genres"
                )
                self.year_from = gr.Number(label="From year", precision=0, elem_id="year-from")
                self.year_to = gr.Number(label="To year", precision=0, elem_id="year-to")
                self.diversity = gr.Slider(0, 1, 0, step=0.05, label="Diversity", buttons=[], elem_id="diversity")
                self.adventurous = gr.Slider(
                    *(0, 1, DEFAULT_ADVENTUROUS), step=0.05, label="Hidden gems", buttons=[], elem_id="adventurous"
                )
                self.n = gr.Slider(MIN_N, MAX_N, DEFAULT_N, step=1, label="Films", buttons=[], elem_id="n")
                self.surprise = gr.Checkbox(label="Surprise me", elem_id="surprise")
            self.filter = gr.Textbox(label="Filter", placeholder=FILTER_EXAMPLE, max_lines=3, elem_id="filter")
        self.filter_controls = [self.genres, self.year_from, self.year_to, self.surprise]
        self.options = [self.filter, self.diversity, self.n, self.adventurous]

    def narrowing(self) -> list[Any]:
        """Events that change the filter."""
        years = (self.year_from, self.year_to)
        return [self.genres.input, self.surprise.input, *(event for box in years for event in (box.submit, box.blur))]

    def asking(self) -> list[Any]:
        """Events that request the list without changing the filter."""
        sliders = (self.diversity, self.adventurous, self.n)
        return [self.filter.submit, self.filter.blur, *(slider.input for slider in sliders)]


def filter_values(parsed: Narrowing) -> list[Any]:
    """Values of `Controls.filter_controls` for a filter."""
    return [list(parsed.genres), parsed.year_from, parsed.year_to, parsed.fewer_than is not None]
