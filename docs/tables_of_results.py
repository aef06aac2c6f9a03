"""The tables of the page of benchmarks, from the files under benchmarks/results."""

import ast
import itertools
import json
import pathlib

DOCS = pathlib.Path(__file__).parent
BENCHMARKS = DOCS.parent / "benchmarks"


def write(app=None):
    """Write docs/generated/results.md; Sphinx calls it before it reads the pages."""
    results = sorted((BENCHMARKS / "results").glob("*.json"), key=named)
    results = [path for path in results if not path.stem.endswith("-quick")]
    parts = []
    for name, paths in itertools.groupby(results, lambda path: named(path)[0]):
        source = (BENCHMARKS / f"{name.replace('-', '_')}.py").read_text()
        question = ast.get_docstring(ast.parse(source)).replace("``", "`")
        parts += [f"## {name}", question, *map(result, paths)]
    page = DOCS / "generated" / "results.md"
    page.parent.mkdir(exist_ok=True)
    page.write_text("\n\n".join(parts) + "\n")


def result(path):
    """The call of a benchmark, its date and versions, and its rows."""
    content = json.loads(path.read_text())
    name, data = named(path)
    option = f" --data {data}.{'csv' if data == 'adult' else 'npz'}" if data else ""
    versions = ", ".join(" ".join(item) for item in content["versions"].items())
    call = f"`python -m benchmarks {name}{option}`"
    return f"{call}, {content['date']}, {versions}:\n\n{table(content['rows'])}"


def named(path):
    """The benchmark and the data of a file of results."""
    names = [path.stem.replace("_", "-") for path in BENCHMARKS.glob("*.py")]
    name = max((n for n in names if f"{path.stem}-".startswith(f"{n}-")), key=len)
    return name, path.stem[len(name) + 1 :]


def table(rows):
    """Rows of a table in Markdown; a cell that a row lacks is empty."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [columns, ["---"] * len(columns)]
    lines += [[cell(row.get(column)) for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value):
    if value is None or value != value:
        return ""
    return " ".join(str(value).split()).replace("*", "\\*").replace("|", "\\|")
