"""README.md: its example runs, and its results are those of the files."""

import contextlib
import io
import pathlib
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_example_prints_what_is_shown():
    """Draws depend on the processor; the words and the number of lines do not."""
    code, shown = re.findall(r"```(?:python|text)\n(.*?)```", README, flags=re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    words = [re.findall("[a-z]+", text) for text in (printed.getvalue(), shown)]
    assert words[0] == words[1]
    assert len(printed.getvalue().splitlines()) == len(shown.splitlines())
    nats = [float(text.split()[-4]) for text in (printed.getvalue(), shown)]
    assert nats[0] == pytest.approx(nats[1], abs=0.5)


def test_results_are_those_of_the_files(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    tables = __import__("tables_of_results")
    monkeypatch.delitem(sys.modules, "tables_of_results")
    assert tables.with_headlines(README) == README


def test_it_is_short():
    assert len(README.splitlines()) <= 90
