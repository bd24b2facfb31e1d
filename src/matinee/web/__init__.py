"""The web app for those who watch films: Gradio over the core's HTTP interface (docs/decisions/0006).

app.py      the ASGI application: pictures, assets, Gradio at /
core.py     the client of the core, which logs its outages
shell.py    what the pages share: core, listeners, addresses, trouble
inputs.py   texts and numbers out of whatever is sent
views.py    components drawn by modules of assets/
guard.py    which routes and inputs of Gradio are open
blocks.py   the pages in their tabs, the endpoint `open`
stubs.py    Gradio imported without writing its interface files
pages/      one module a tab
assets/     styles and ES modules
"""
