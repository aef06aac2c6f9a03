"""The page of the documentation that the HTML of an estimator links to."""

from functools import cache
from importlib.metadata import PackageNotFoundError, metadata


class DocumentationLink:
    """Links the HTML of an estimator to the page of its class.

    The address of the documentation is in the metadata of the distribution. There is
    no link if skgen is not installed.
    """

    def _get_doc_link(self):
        address, module = documentation_address(), type(self).__module__
        if address is None or not module.startswith("skgen."):
            return ""
        package = "skgen.meta" if module == "skgen.meta" else "skgen"
        return f"{address}/generated/{package}.{type(self).__name__}.html"


@cache
def documentation_address():
    """The address in the metadata of scikit-gen, or None."""
    try:
        urls = metadata("scikit-gen").get_all("Project-URL", [])
    except PackageNotFoundError:
        return None
    return dict(url.split(", ", 1) for url in urls).get("Documentation")
