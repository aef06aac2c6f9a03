"""Configuration of the documentation; `sphinx-build -W docs docs/_build` builds it."""

import os
import pathlib
import sys
import warnings

import skgen

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import tables_of_results

project = "scikit-gen"
author = "The developers of scikit-gen"
release = version = skgen.__version__
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "generated/*.md"]
templates_path = ["_templates"]
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
myst_enable_extensions = ["colon_fence", "dollarmath"]
html_theme = "pydata_sphinx_theme"
html_title = "scikit-gen"
html_static_path = ["_static"]
html_favicon = html_logo = "_static/logo.svg"
html_context = {"default_mode": "auto"}
html_sidebars = {
    page: []
    for page in (
        "index",
        "getting_started",
        "theory",
        "recipes",
        "benchmarks",
        "comparison",
        "changelog",
    )
}
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "scikit-gen"},
    "navigation_with_keys": True,
    "show_nav_level": 2,
}
# labels of scikit-learn, in what is inherited from it
suppress_warnings = ["config.cache", "ref.ref"]

# the lists of other projects' pages come over the network
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", None),
    "numpy": ("https://numpy.org/doc/stable", None),
    "sklearn": ("https://scikit-learn.org/stable", None),
    "torch": ("https://docs.pytorch.org/docs/stable", None),
}
if os.environ.get("OFFLINE"):
    intersphinx_mapping = {}


def warnings_are_errors(gallery_conf, filename, when):
    """What an example warns of ends the build."""
    if when == "before":
        warnings.simplefilter("error")
    else:
        warnings.filters.pop(0)


sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "reset_modules": ("matplotlib", warnings_are_errors),
    "reset_modules_order": "both",
    "parallel": int(os.environ.get("GALLERY_JOBS", "1")),
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "doc_module": ("skgen",),
    "reference_url": {"skgen": None},
    "backreferences_dir": "generated/backreferences",
    "remove_config_comments": True,
}


def setup(app):
    app.connect("builder-inited", tables_of_results.write)
