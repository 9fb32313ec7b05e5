"""How Sphinx builds these pages: Markdown whose code cells run, so that no output is stale."""

import shutil
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path

project = "latentia"
author = "The latentia developers"
copyright = author
release = version = installed_version("latentia")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
]
# The examples are scripts of their own that also run in the tests; here they become pages.
_here = Path(__file__).parent
shutil.rmtree(_here / "examples", ignore_errors=True)
shutil.copytree(_here.parent / "examples", _here / "examples")
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
exclude_patterns = ["conf.py", "_build", "jupyter_execute", "**.ipynb_checkpoints"]
html_theme = "furo" if find_spec("furo") else "alabaster"
html_title = f"latentia {release}"

# Annotations name many types of other projects, which have no target here.
nitpicky = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]

# A cache of outputs is keyed on the page and not on the library: it would show old results.
nb_execution_mode = "force"
# A page may train a network, on a machine that does other things too.
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_show_tb = True

autodoc_member_order = "groupwise"
# scikit-learn makes these, and their texts refer to its own glossary.
autodoc_default_options = {
    "exclude-members": "get_metadata_routing, set_fit_request, set_partial_fit_request, "
    "set_predict_request, set_predict_proba_request, set_score_request, set_transform_request, "
    "set_inverse_transform_request"
}
# Attributes of one name in several classes: a type in a signature may then look like any of them.
suppress_warnings = ["ref.python"]
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
# "Attributes:" as a list of fields: as entries of their own they would collide with autodoc's.
napoleon_use_ivar = True
