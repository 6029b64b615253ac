"""Sphinx configuration. The build needs no network."""

from loads import __version__

project = "Loads"
author = "the Loads developers"
copyright = "the Loads developers"
version = release = __version__

extensions = []
exclude_patterns = ["_build"]
nitpicky = True
default_role = "code"
highlight_language = "none"

html_theme = "furo"
html_title = f"Loads {release}"
html_copy_source = False
