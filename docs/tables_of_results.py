"""The tables of the page of benchmarks, from the files under benchmarks/results.

``python docs/tables_of_results.py`` writes the results of README.md anew.
"""

import ast
import itertools
import json
import pathlib
from collections import Counter

DOCS = pathlib.Path(__file__).parent
BENCHMARKS = DOCS.parent / "benchmarks"


def write(app=None):
    """Write pages under docs/generated; Sphinx calls it before it reads the pages."""
    results = sorted((BENCHMARKS / "results").glob("*.json"), key=named)
    results = [path for path in results if not path.stem.endswith("-quick")]
    parts = []
    for name, paths in itertools.groupby(results, lambda path: named(path)[0]):
        source = (BENCHMARKS / f"{name.replace('-', '_')}.py").read_text()
        question = ast.get_docstring(ast.parse(source)).replace("``", "`")
        parts += [f"## {name}", question, *map(result, paths)]
    folder = DOCS / "generated"
    folder.mkdir(exist_ok=True)
    (folder / "results.md").write_text("\n\n".join(parts) + "\n")
    (folder / "models.md").write_text(table(best_models()) + "\n")


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


def best_models():
    """Rows with the VAE that a grid chose on each table, and what it is compared to."""
    rows = []
    for path in sorted((BENCHMARKS / "results").glob("vae-tables-*.json")):
        found = chosen_rows(path.stem)
        (vae,) = (row for row in found if row["model"] == "VAE")
        options = "likelihood", "noise_variance", "prior"
        chosen = [vae[name] for name in options if name in vae]
        if "n_importance_samples" in vae:
            chosen.append(f"{vae['n_importance_samples']} importance samples")
        row = {
            "data": named(path)[1],
            "VAE that was chosen": f"{vae['n_components']} latents, "
            + ", ".join(chosen),
            "nats": f"{vae['test nats']} ± {vae['+-']}",
            "seconds": vae["seconds"],
        }
        for other in found:
            if other is not vae:
                name = other["model"].split("(")[0]
                row |= {name: other["test nats"], f"{name}, s": other["seconds"]}
        rows.append(row)
    for row in rows_of("vae-tables"):
        ((most, _),) = Counter(row["VAE, chosen"].split("; ")).most_common(1)
        rows.append(
            {"data": row["data"], "VAE that was chosen": f"mostly {most}"}
            | {"nats": f"{row['VAE']} ± {row['VAE +-']}", "seconds": row["VAE, s"]}
            | {name: row[name] for name in ("GaussianMixture", "GaussianMixture, s")}
        )
    return rows


def rows_of(stem):
    """The rows of a file of results."""
    return json.loads((BENCHMARKS / "results" / f"{stem}.json").read_text())["rows"]


def chosen_rows(stem):
    """The rows without the points of a grid that were not chosen."""
    return [row for row in rows_of(stem) if row.get("chosen") != ""]


def listed(rows, who, *columns):
    """Who has which values, as text."""
    values = (", ".join(str(row[column]) for column in columns) for row in rows)
    return "; ".join(f"{row[who]} {value}" for row, value in zip(rows, values))


def headlines():
    """The results of README.md, as a table."""
    numbers = chosen_rows("vae-tables-kin8nm")
    tables = ("accidents", "dna", "plants", "pumsb_star")
    bits = zip(*(chosen_rows(f"vae-tables-{name}") for name in tables))
    bits = [
        " ".join([rows[0]["model"], ", ".join(str(row["test nats"]) for row in rows)])
        for rows in bits
    ]
    images = [row for row in rows_of("vae-likelihood-mnist") if "test nats" in row]
    anomalies = rows_of("anomalies-adult")
    anomalies.sort(key=lambda row: -row["ROC AUC"])
    gaps = rows_of("imputation-adult")
    models = rows_of("rbm-partition")
    covered = sum(row["covered"] for row in models)
    worst = max(abs(row["error"]) for row in models)
    lines = [
        {
            "what": "kin8nm, 8 numbers: test log-likelihood, nats",
            "result": listed(numbers, "model", "test nats"),
            "command": "`python -m benchmarks vae-tables --data kin8nm.npz`",
        },
        {
            "what": f"{', '.join(tables)}, of bits: test log-likelihood, nats",
            "result": "; ".join(bits),
            "command": "`python -m benchmarks vae-tables --data NAME.npz`",
        },
        {
            "what": "MNIST, binarised anew in every epoch: test log-likelihood, nats",
            "result": listed(images, "model", "test nats"),
            "command": "`python -m benchmarks vae-likelihood --data mnist.npz`",
        },
        {
            "what": "Adult, rows with shuffled cells: ROC AUC",
            "result": listed(anomalies, "detector", "ROC AUC"),
            "command": "`python -m benchmarks anomalies --data adult.csv`",
        },
        {
            "what": "Adult, a fifth of the cells filled in: error of numbers in "
            "deviations, share of wrong categories",
            "result": listed(gaps, "imputer", "numbers", "categories"),
            "command": "`python -m benchmarks imputation --data adult.csv`",
        },
        {
            "what": "log Z of RBMs that can be enumerated: intervals that hold it, "
            "largest error",
            "result": f"{covered} of {len(models)}, {worst} nats",
            "command": "`python -m benchmarks rbm-partition`",
        },
    ]
    return table(lines)


def with_headlines(readme):
    """The text of README.md with the results of today's files."""
    before, marker, rest = readme.partition("<!-- results")
    comment, _, rest = rest.partition("\n")
    _, end, after = rest.partition("<!-- end -->")
    return f"{before}{marker}{comment}\n\n{headlines()}\n\n{end}{after}"


if __name__ == "__main__":
    README = DOCS.parent / "README.md"
    README.write_text(with_headlines(README.read_text()))
