"""Sphinx settings of both languages: `-t zh` builds the Chinese tree, everything else the English one."""

chinese = tags.has("zh")  # type: ignore[name-defined]  # noqa: F821 - Sphinx hands `tags` in

project = "cloudheal"
author = "The cloudheal authors"
copyright = "The cloudheal authors"
language = "zh_CN" if chinese else "en"

extensions = ["myst_parser"]
# Headings get anchors down to this level, so that links to a section can be checked.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]

html_theme = "furo"
html_title = "cloudheal 文档" if chinese else "cloudheal documentation"
html_show_sphinx = False
