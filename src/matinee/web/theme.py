"""Colors and fonts: system fonts only, and sufficient contrast in light and dark mode."""

from __future__ import annotations

import gradio as gr

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "DejaVu Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "DejaVu Sans Mono", "monospace")

_LIGHT_AND_DARK = {
    "body_background_fill": ("#faf8f5", "#100e0d"),
    "background_fill_primary": ("#ffffff", "#1b1817"),
    "background_fill_secondary": ("#f1eee9", "#262220"),
    "block_background_fill": ("#ffffff", "#1b1817"),
    "block_border_width": ("0px", "0px"),
    "block_label_background_fill": ("#ffffff", "#1b1817"),
    "block_info_text_color": ("*neutral_600", "*neutral_300"),
    "block_title_text_color": ("*neutral_700", "*neutral_200"),
    "block_title_text_weight": ("600", None),
    "body_text_color": ("*neutral_900", "*neutral_100"),
    "body_text_color_subdued": ("*neutral_600", "*neutral_400"),
    "border_color_primary": ("#e3ded6", "#3a3431"),
    "border_color_accent": ("*primary_700", "*primary_400"),
    "color_accent": ("*primary_700", None),
    "color_accent_soft": ("*primary_50", "#3b1d1d"),
    "input_background_fill": ("#ffffff", "#262220"),
    "input_background_fill_focus": ("#ffffff", "#262220"),
    "input_border_color": ("#8c837a", "#7d746c"),
    "input_border_color_focus": ("*primary_700", "*primary_400"),
    "input_border_width": ("1px", "1px"),
    "input_placeholder_color": ("*neutral_500", "*neutral_400"),
    "checkbox_border_color": ("#8c837a", "#7d746c"),
    "checkbox_background_color_selected": ("*primary_700", "*primary_600"),
    "checkbox_border_color_selected": ("*primary_700", "*primary_600"),
    "checkbox_label_background_fill": ("transparent", "transparent"),
    "checkbox_label_background_fill_hover": ("*background_fill_secondary", "*background_fill_secondary"),
    "checkbox_label_background_fill_selected": ("*color_accent_soft", "*color_accent_soft"),
    "link_text_color": ("*primary_700", "*primary_300"),
    "link_text_color_hover": ("*primary_800", "*primary_200"),
    "link_text_color_active": ("*primary_800", "*primary_200"),
    "link_text_color_visited": ("*primary_700", "*primary_300"),
    "slider_color": ("*primary_700", "*primary_500"),
    "button_primary_background_fill": ("*primary_700", "*primary_700"),
    "button_primary_background_fill_hover": ("*primary_800", "*primary_600"),
    "button_primary_text_color": ("white", "white"),
    "button_secondary_background_fill": ("#ece7e0", "#332e2b"),
    "button_secondary_background_fill_hover": ("#e0d9d0", "#403a36"),
    "button_secondary_text_color": ("*neutral_900", "*neutral_100"),
    "table_border_color": ("#e3ded6", "#3a3431"),
}


def theme() -> gr.themes.Base:
    """The app's theme, for light and dark mode."""
    base = gr.themes.Base(
        primary_hue=gr.themes.colors.red,
        secondary_hue=gr.themes.colors.amber,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_md,
        font=list(SANS),
        font_mono=list(MONO),
    )
    colors = {}
    for name, (light, dark) in _LIGHT_AND_DARK.items():
        colors[name] = light
        if dark is not None:
            colors[f"{name}_dark"] = dark
    return base.set(layout_gap="18px", **colors)
