"""The web app for visitors: Gradio over the core's HTTP interface (docs/decisions/0006).

app.py           the ASGI application: posters, assets, Gradio at /
core.py          the client of the core, which logs outages
shell.py         shared by the pages: core, listeners, addresses, error values
inputs.py        validation of texts and numbers
views.py         components drawn by modules of assets/
guard.py         which routes and inputs of Gradio are open
blocks.py        the tabs and the endpoint `open`
maps.py          coordinates and script of the map
serve.py         running it, with a faster import of Gradio
pages/           one module or package per tab
assets/          styles and ES modules
"""
