"""Configuration of the documentation; `sphinx-build -W docs docs/_build` builds it."""

import skgen

project = "scikit-gen"
author = "The developers of scikit-gen"
release = version = skgen.__version__
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
]
exclude_patterns = ["_build"]
templates_path = []
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
myst_enable_extensions = ["dollarmath"]
html_theme = "pydata_sphinx_theme"
html_title = "scikit-gen"
html_theme_options = {"navigation_with_keys": True, "show_nav_level": 2}
# labels of scikit-learn, in what is inherited from it
suppress_warnings = ["config.cache", "ref.ref"]
