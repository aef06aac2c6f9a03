"""Public names are documented, with an example wherever one can be run alone."""

import importlib
import inspect
import pkgutil

import pytest

import skgen


def public_functions():
    for info in pkgutil.walk_packages(skgen.__path__, "skgen."):
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            ours = getattr(value, "__module__", None) == info.name
            if ours and not name.startswith("_") and callable(value):
                yield pytest.param(value, id=f"{info.name}.{name}")


@pytest.mark.parametrize("function", list(public_functions()))
def test_functions_have_an_example(function):
    documentation = inspect.getdoc(function)
    assert documentation
    if inspect.isfunction(function):
        assert "Examples\n--------\n>>> " in documentation


@pytest.mark.parametrize("estimator", [skgen.BinaryRBM, skgen.VariationalAutoencoder])
def test_every_parameter_and_method_is_documented(estimator):
    documentation = inspect.getdoc(estimator)
    for name, parameter in inspect.signature(estimator).parameters.items():
        assert f"\n{name} : " in documentation, name
        default = parameter.default
        shown = f'"{default}"' if isinstance(default, str) else str(default)
        shown = {"0.0001": "1e-4"}.get(shown, shown)
        line = documentation.split(f"\n{name} : ")[1].splitlines()[0]
        assert f"default={shown}" in line, line
    for name, method in inspect.getmembers(estimator, inspect.isfunction):
        if not name.startswith("_") and method.__module__.startswith("skgen"):
            documentation = inspect.getdoc(method)
            for parameter in list(inspect.signature(method).parameters)[1:]:
                assert f"\n{parameter} : " in documentation, (name, parameter)
            assert "\nReturns\n" in documentation or name == "save", name
            assert "\nExamples\n--------\n>>> " in documentation, name
