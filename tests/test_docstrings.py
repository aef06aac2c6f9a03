"""Public names have numpydoc docstrings; internal ones are short; all is plain English.

The examples themselves are run by pytest's ``--doctest-modules``.
"""

import ast
import importlib
import inspect
import pathlib
import re
import textwrap

import pytest

import skgen
from skgen.vae import likelihoods

ROOT = pathlib.Path(skgen.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
ESTIMATORS = [
    skgen.BinaryRBM,
    skgen.VariationalAutoencoder,
    skgen.meta.DensityOutlierDetector,
    skgen.meta.GenerativeClassifier,
    skgen.meta.GenerativeImputer,
]
DISPLAYS = [getattr(skgen.plotting, name) for name in skgen.plotting.__all__]
LIKELIHOODS = [
    likelihoods.Likelihood,
    likelihoods.Gaussian,
    likelihoods.FullGaussian,
    likelihoods.Bernoulli,
    likelihoods.ChowLiu,
    likelihoods.Autoregressive,
    likelihoods.Poisson,
    likelihoods.Categorical,
    likelihoods.ColumnLikelihood,
]
CLASSES = [*ESTIMATORS, *DISPLAYS, *LIKELIHOODS, skgen.callbacks.Checkpoint]
FUNCTIONS = [
    skgen.compare,
    skgen.load,
    skgen.sample_from,
    skgen.show_versions,
    skgen.rbm.stacked_lower_bound,
    skgen.divergences.kl_divergence,
    skgen.divergences.gaussian_kl_divergence,
]
RESULTS = {
    "skgen.comparison.Comparison",
    "skgen.rbm.energy.RBMParameters",
    "skgen.rbm.annealing.LogPartition",
}
PLAIN_MODULES = ["energy", "samplers", "gradients", "annealing", "partition"]
PLAIN_WITH_EXAMPLE = [
    "energy.energy",
    "energy.free_energy",
    "energy.hidden_probability",
    "energy.visible_probability",
    "energy.pseudo_log_likelihood",
    "samplers.gibbs",
    "samplers.exact_samples",
    "gradients.log_likelihood_gradient",
    "annealing.annealed_log_partition",
    "annealing.reverse_annealed_log_partition",
    "partition.exact_log_partition",
]
STILTED = re.compile(
    r"\b(lest|of the user's|be it|thereof|wherein|whereupon|as they are then"
    r"|that of the|those of the)\b",
    re.IGNORECASE,
)


def methods(cls):
    """Public methods that the package itself defines, inherited ones included."""
    for name, value in inspect.getmembers(cls):
        ours = (getattr(value, "__module__", None) or "").startswith("skgen")
        if inspect.isroutine(value) and ours and not name.startswith("_"):
            yield value


def plain_functions():
    """The functions behind BinaryRBM, by module and name."""
    for module_name in PLAIN_MODULES:
        module = importlib.import_module(f"skgen.rbm.{module_name}")
        for name, value in vars(module).items():
            ours = getattr(value, "__module__", None) == module.__name__
            if ours and inspect.isfunction(value) and not name.startswith("_"):
                yield f"{module_name}.{name}", value


def identify(value):
    return f"{value.__module__}.{value.__qualname__}"


def once_each(values):
    return list({identify(value): value for value in values}.values())


PLAIN = dict(plain_functions())
CALLABLES = once_each(
    FUNCTIONS + [method for cls in ESTIMATORS + DISPLAYS for method in methods(cls)]
)
PUBLIC = RESULTS | {
    identify(value)
    for value in [
        *CLASSES,
        *CALLABLES,
        *PLAIN.values(),
        *(method for cls in CLASSES for method in methods(cls)),
    ]
}


def section(documentation, title):
    """The lines of a numpydoc section, or nothing."""
    found = re.search(
        rf"(?:^|\n){title}\n-+\n(.*?)(?=\n[\w ]+\n-+\n|$)", documentation, re.S
    )
    return found[1] if found else ""


def check_summary(value):
    summary, *rest = inspect.getdoc(value).splitlines()
    assert summary.endswith("."), summary
    assert not any(rest[:1]), "the summary is one line"


def check_parameters(value, parameters):
    documented = re.findall(
        r"^(\S.*) :|^(\*\*\w+)$", section(inspect.getdoc(value), "Parameters"), re.M
    )
    names = {name for line in documented for name in "".join(line).split(", ")}
    assert names == {str(p).partition("=")[0].partition(":")[0] for p in parameters}


def check_example(value):
    assert ">>> " in section(inspect.getdoc(value), "Examples")


def returns_something(function):
    """Whether a return statement of the function's own has a value."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    pending = list(node.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Return) and node.value is not None:
            return True
        if not isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
            pending.extend(ast.iter_child_nodes(node))
    return False


@pytest.mark.parametrize("value", CALLABLES, ids=identify)
def test_public_functions_and_methods(value):
    check_summary(value)
    parameters = inspect.signature(value).parameters.values()
    check_parameters(value, [p for p in parameters if p.name != "self"])
    if returns_something(value):
        assert section(inspect.getdoc(value), "Returns")
    check_example(value)


@pytest.mark.parametrize("cls", CLASSES, ids=identify)
def test_public_classes(cls):
    check_summary(cls)
    if "__init__" in vars(cls):
        check_parameters(cls, inspect.signature(cls).parameters.values())
    if cls not in DISPLAYS:  # from_estimator has the example
        check_example(cls)
    for method in methods(cls):
        assert inspect.getdoc(method), method


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_defaults_are_documented(estimator):
    documentation = section(inspect.getdoc(estimator), "Parameters")
    for name, parameter in inspect.signature(estimator).parameters.items():
        default = parameter.default
        if default is parameter.empty:
            continue
        shown = f'"{default}"' if isinstance(default, str) else str(default)
        shown = {"0.0001": "1e-4"}.get(shown, shown)
        (line,) = re.findall(rf"^{name} : .*", documentation, re.M)
        assert line.endswith(f"default={shown}"), line


@pytest.mark.parametrize("name", PLAIN)
def test_the_functions_behind_the_rbm(name):
    check_summary(PLAIN[name])
    if name in PLAIN_WITH_EXAMPLE:
        check_example(PLAIN[name])


def test_the_functions_with_an_example_are_there():
    assert set(PLAIN_WITH_EXAMPLE) <= set(PLAIN)


def definitions(path):
    """Every class and function of a module, with its dotted name."""
    module = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
    pending = [
        (module.removesuffix(".__init__"), node)
        for node in ast.parse(path.read_text()).body
    ]
    while pending:
        scope, node = pending.pop()
        name = f"{scope}.{getattr(node, 'name', '')}"
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            yield name, node
        inner = name if isinstance(node, ast.ClassDef) else scope
        pending.extend((inner, child) for child in ast.iter_child_nodes(node))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            assert node.name.startswith("_") or ast.get_docstring(node), node.name
    for name, node in definitions(path):
        documentation = ast.get_docstring(node)
        body = node.body[1:] if documentation else node.body
        if isinstance(node, ast.FunctionDef) and body:
            assert body[-1].end_lineno - body[0].lineno < 40, name
        if documentation and name not in PUBLIC:
            assert len(documentation.splitlines()) <= 12, name
            assert "Examples\n---" not in documentation, name


@pytest.mark.parametrize(
    "path",
    [
        *MODULES,
        *sorted(ROOT.parent.glob("examples/*.py")),
        *sorted(ROOT.parent.glob("benchmarks/*.py")),
    ],
    ids=lambda p: str(p.relative_to(ROOT.parent)),
)
def test_plain_english(path):
    words = " ".join(path.read_text().replace("#", " ").split())
    found = [
        words[max(0, m.start() - 40) : m.end() + 40] for m in STILTED.finditer(words)
    ]
    assert not found
