"""The HTML of an estimator links to its page, at the address that setup.cfg names."""

import configparser
import pathlib
import sys

import pytest
from sklearn.mixture import GaussianMixture

from skgen import BinaryRBM, VariationalAutoencoder
from skgen.documentation import documentation_address
from skgen.meta import DensityOutlierDetector

ROOT = pathlib.Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("model", "page"),
    [
        (BinaryRBM(), "BinaryRBM"),
        (VariationalAutoencoder(), "VariationalAutoencoder"),
        (DensityOutlierDetector(GaussianMixture()), "meta.DensityOutlierDetector"),
    ],
)
def test_html_links_to_the_page(model, page):
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["metadata"]["project_urls"].strip().splitlines()
    address = dict(line.split(" = ") for line in lines)["Documentation"]
    assert f'href="{address}/generated/skgen.{page}.html"' in model._repr_html_()
    assert f"   {page}\n" in (ROOT / "docs" / "api.rst").read_text()


def test_no_link_without_an_installed_distribution(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    documentation_address.cache_clear()
    assert BinaryRBM()._get_doc_link() == ""
    documentation_address.cache_clear()
