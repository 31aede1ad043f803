"""Sphinx configuration: pages in Markdown, docstrings as the sources have them, equations as MathML, nothing from the network."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))
sys.path.insert(0, str(HERE.parent))

import seqsci  # noqa: E402

project, author, copyright = "seqsci", "The seqsci developers", "The seqsci developers"
version = release = seqsci.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "myst_nb",
    "mathml",  # docs/_extensions: equations without a script
    "markdown_docstrings",  # docs/_extensions: Markdown tables and indented formulas of docstrings
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
default_role = "py:obj"
toc_object_entries_show_parents = "hide"
highlight_language = "none"

# the executed notebooks are kept outside of docs/; Sphinx reads its sources below it
(HERE / "generated").mkdir(exist_ok=True)
for notebook in sorted((HERE.parent / "notebooks").glob("*.ipynb")):
    shutil.copyfile(notebook, HERE / "generated" / notebook.name)

autosummary_generate = True
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]

nb_execution_mode = "off"
nb_ipywidgets_js = {}
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3
myst_update_mathjax = False

html_theme = "pydata_sphinx_theme"
html_title = "seqsci"
html_static_path = ["_static"]
html_css_files = ["seqsci.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"*": [], "generated/[0-9]*": []}
html_theme_options = {
    "header_links_before_dropdown": 9,
    "logo": {"text": "seqsci"},
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
