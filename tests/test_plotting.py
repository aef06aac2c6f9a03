"""Displays draw the data: curves, bands, pixels, colour limits, points."""

import ast
import pathlib
import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.special import ndtr
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

import skgen.plotting
from skgen import BinaryRBM, VariationalAutoencoder
from skgen.plotting import (
    ColumnsDisplay,
    ComponentsDisplay,
    LatentSpaceDisplay,
    ReconstructionDisplay,
    SampleDisplay,
    TrainingCurveDisplay,
)
from skgen.vae.likelihoods import Bernoulli

DIGITS = load_digits()
X, Y = DIGITS.data[:200] / 16, DIGITS.target[:200]
SHAPE = (8, 8)
MINUS = "\N{MINUS SIGN}"


@pytest.fixture(autouse=True)
def nothing_global_is_changed():
    backend, before = plt.get_backend(), dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert plt.get_backend() == backend
    assert dict(matplotlib.rcParams) == before


@pytest.fixture(scope="module")
def rbm():
    model = BinaryRBM(24, max_iter=6, batch_size=50, random_state=0)
    return model.fit(X, X_val=X[:20])


@pytest.fixture(scope="module")
def exact_rbm():
    return BinaryRBM(3, max_iter=1, batch_size=100, random_state=0).fit(X)


def small_vae(n_components, X, **parameters):
    return VariationalAutoencoder(
        n_components,
        hidden_layer_sizes=(8,),
        max_iter=3,
        early_stopping=False,
        device="cpu",
        random_state=0,
        **parameters,
    ).fit(X)


@pytest.fixture(scope="module")
def vae():
    return small_vae(4, X, likelihood="bernoulli")


@pytest.fixture(scope="module")
def plane_vae():
    return small_vae(2, X, likelihood="bernoulli")


@pytest.fixture(scope="module")
def gaussian_vae():
    return small_vae(2, 16 * X)


def pictures(im, image_shape=SHAPE):
    """The images of a grid, line by line, and nothing but NaN between them."""
    array = np.ma.filled(im.get_array(), np.nan)
    height, width = image_shape
    gap = max(1, round(max(image_shape) / 16))
    lines = [
        array[top : top + height, left : left + width]
        for top in range(gap, array.shape[0], height + gap)
        for left in range(gap, array.shape[1], width + gap)
    ]
    assert np.sum(np.isfinite(array)) == np.sum(np.isfinite(lines))
    return np.array(lines)


def legend_texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_matplotlib_is_imported_by_plot_only():
    code = (
        "import sys, skgen.plotting\n"
        "skgen.plotting.SampleDisplay(samples=[[0.0]], image_shape=(1, 1))\n"
        "assert 'matplotlib' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_displays_import_neither_model():
    for path in pathlib.Path(skgen.plotting.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not node.module.startswith(("skgen.rbm", "skgen.vae"))


def test_without_matplotlib_the_error_names_the_remedy(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.setitem(sys.modules, name, None)
    display = SampleDisplay(samples=X[:2], image_shape=SHAPE)
    with pytest.raises(ImportError, match=r'SampleDisplay.*"scikit-gen\[plot\]"'):
        display.plot()


@pytest.mark.parametrize(
    "draw",
    [
        lambda model, ax: TrainingCurveDisplay.from_estimator(model, ax=ax),
        lambda model, ax: SampleDisplay.from_estimator(model, image_shape=SHAPE, ax=ax),
        lambda model, ax: ReconstructionDisplay.from_estimator(
            model, X[:3], image_shape=SHAPE, ax=ax
        ),
        lambda model, ax: ComponentsDisplay.from_estimator(
            model, image_shape=SHAPE, ax=ax
        ),
        lambda model, ax: LatentSpaceDisplay.from_estimator(model, X, Y, ax=ax),
    ],
)
def test_axes(rbm, draw):
    _, (left, right) = plt.subplots(1, 2)
    display = draw(rbm, right)
    assert display.ax_ is right
    assert display.figure_ is right.figure
    assert not left.has_data()
    assert len(plt.get_fignums()) == 1
    assert display.plot() is display
    assert display.ax_ is not right
    assert display.figure_ is display.ax_.figure
    display.figure_.canvas.draw()
    with pytest.raises(NotFittedError):
        draw(BinaryRBM(), None)


@pytest.mark.parametrize("shape", [(7, 9), (64,), 8, (-8, -8), (6.4, 10.0), "8x8"])
def test_image_shape_that_does_not_fit(rbm, plane_vae, shape):
    message = r"image_shape=.* 64 features: pass \(height, width\)"
    with pytest.raises(ValueError, match=message):
        SampleDisplay.from_estimator(rbm, image_shape=shape)
    with pytest.raises(ValueError, match=message):
        ReconstructionDisplay.from_estimator(rbm, X, image_shape=shape)
    with pytest.raises(ValueError, match=message):
        ComponentsDisplay.from_estimator(rbm, image_shape=shape)
    with pytest.raises(ValueError, match=message):
        LatentSpaceDisplay.from_estimator(plane_vae, image_shape=shape)
    assert not plt.get_fignums()


def test_training_curve_of_an_rbm(rbm):
    display = TrainingCurveDisplay.from_estimator(rbm, linewidth=3)
    history, (train, validation) = rbm.history_, display.lines_
    np.testing.assert_array_equal(train.get_xdata(), history.epoch)
    np.testing.assert_array_equal(train.get_ydata(), history.train_log_likelihood)
    np.testing.assert_array_equal(
        validation.get_ydata(), history.validation_log_likelihood
    )
    assert train.get_linewidth() == 3
    assert np.all(history.log_partition_std > 0)
    for line, band in zip(display.lines_, display.bands_, strict=True):
        outline = band.get_paths()[0].vertices
        for x, y, std in zip(*line.get_data(), history.log_partition_std):
            edges = np.unique(outline[outline[:, 0] == x, 1])
            np.testing.assert_allclose(edges[[0, -1]], [y - 2 * std, y + 2 * std])
    assert display.ax_.get_xlabel() == "Epoch"
    assert display.ax_.get_ylabel() == "Log-likelihood (nats per row)"
    assert legend_texts(display.ax_) == [
        "train",
        "validation",
        "± 2 standard errors of log Z",
    ]


def test_training_curve_without_validation_of_one_epoch(exact_rbm):
    display = TrainingCurveDisplay.from_estimator(exact_rbm)
    (line,) = display.lines_
    assert line.get_marker() == "o"
    assert display.bands_ == []
    assert legend_texts(display.ax_) == ["train"]
    left, right = display.ax_.get_xlim()
    assert [x for x in display.ax_.get_xticks() if left <= x <= right] == [1]
    low, high = display.ax_.get_ylim()
    assert low < line.get_ydata()[0] < high


def test_training_curve_of_a_vae(vae):
    display = TrainingCurveDisplay.from_estimator(vae)
    (train,) = display.lines_
    np.testing.assert_array_equal(train.get_ydata(), vae.history_.train_elbo)
    assert display.bands_ == []
    assert display.ax_.get_ylabel() == "ELBO (nats per row)"


def curve_display(scores):
    unknown = np.full(len(scores), np.nan)
    epoch = np.arange(1, len(scores) + 1)
    return TrainingCurveDisplay(epoch=epoch, train=scores, validation=unknown).plot()


def test_early_epochs_off_the_axis_are_marked():
    scores = np.linspace(-20.0, -16.0, 30)
    scores[:3] = -300, -1, -60
    display = curve_display(scores)
    low, high = display.ax_.get_ylim()
    assert -21 < low < -19 and -16 < high < -15
    assert legend_texts(display.ax_) == [
        "train",
        f"below: down to {MINUS}300",
        f"above: up to {MINUS}1",
    ]
    _, below, above = display.ax_.lines
    assert below.get_xdata().tolist() == [1, 3]
    assert below.get_ydata().tolist() == [0, 0]
    assert above.get_xdata().tolist() == [2]
    assert above.get_ydata().tolist() == [1]


@pytest.mark.parametrize(
    "scores",
    [
        [-300.0, -20.0],
        np.r_[-30.0, np.linspace(-20, -16, 29)],
        np.r_[np.linspace(-20, -16, 29), -300.0],
        np.full(30, -5.0),
    ],
    ids=["few", "readable", "late", "constant"],
)
def test_all_other_epochs_are_on_the_axis(scores):
    display = curve_display(scores)
    low, high = display.ax_.get_ylim()
    assert low < np.min(scores) and np.max(scores) < high
    assert len(display.ax_.lines) == 1


def test_an_unknown_error_leaves_the_curve_readable():
    display = TrainingCurveDisplay(
        epoch=[1, 2],
        train=[-3.0, -2.0],
        validation=[-3.5, -2.5],
        log_partition_std=[0.1, np.inf],
    ).plot()
    low, high = display.ax_.get_ylim()
    assert -4 < low < -3.5 and -2 < high < -1.5


def test_a_second_curve_hides_nothing_of_the_first(rbm, vae):
    ax = TrainingCurveDisplay.from_estimator(rbm).ax_
    TrainingCurveDisplay.from_estimator(vae, ax=ax)
    low, high = ax.get_ylim()
    for scores in (rbm.history_.train_log_likelihood, vae.history_.train_elbo):
        assert low < scores.min() and scores.max() < high


@pytest.mark.parametrize("n_samples", [1, 2, 7, 25, 48])
def test_samples(rbm, n_samples):
    display = SampleDisplay.from_estimator(
        rbm, image_shape=SHAPE, n_samples=n_samples, random_state=3
    )
    samples = rbm.sample(n_samples, random_state=3)
    np.testing.assert_array_equal(display.samples, samples)
    drawn = pictures(display.im_)
    np.testing.assert_array_equal(drawn[:n_samples], samples.reshape(-1, 8, 8))
    assert np.all(np.isnan(drawn[n_samples:]))
    assert display.im_.get_clim() == (0, 1)
    assert len(display.figure_.axes) == 1


def test_images_that_are_not_square_have_square_pixels():
    display = SampleDisplay(samples=X[:5, :24], image_shape=(4, 6)).plot()
    drawn = pictures(display.im_, (4, 6))[:5]
    np.testing.assert_array_equal(drawn, X[:5, :24].reshape(-1, 4, 6))
    display.figure_.canvas.draw()
    box, (n_lines, n_columns) = display.ax_.get_window_extent(), display.im_.get_size()
    assert box.height / n_lines == pytest.approx(box.width / n_columns)


def test_real_values_have_a_colour_bar():
    samples = np.random.default_rng(0).normal(size=(50, 64))
    display = SampleDisplay(samples=samples, image_shape=SHAPE).plot()
    limits = np.quantile(samples, [0.01, 0.99])
    np.testing.assert_allclose(display.im_.get_clim(), limits)
    bar = display.im_.colorbar
    assert bar.extend == "both"
    assert bar.ax.get_ylabel() == "Value of a feature"


@pytest.mark.parametrize(
    "samples, limits",
    [(np.full((1, 4), 5), (4.5, 5.5)), (np.eye(200)[:1] * 7, (0, 7))],
    ids=["constant", "nearly all 0"],
)
def test_limits_are_never_equal(samples, limits):
    shape = (1, samples.shape[1])
    display = SampleDisplay(samples=samples, image_shape=shape).plot()
    assert display.im_.get_clim() == limits
    assert display.im_.colorbar.extend == "neither"


def test_keywords_override():
    display = SampleDisplay(samples=X[:2], image_shape=SHAPE)
    assert display.plot(cmap="gray_r", vmax=2).im_.get_clim() == (0, 2)
    assert display.im_.get_cmap().name == "gray_r"


@pytest.mark.parametrize("as_input", [np.asarray, sparse.csr_array, pd.DataFrame])
def test_reconstructions_are_below_the_data(rbm, as_input):
    rows = as_input(X[:7])
    model = BinaryRBM(3, max_iter=1, random_state=0).fit(as_input(X))
    display = ReconstructionDisplay.from_estimator(model, rows, image_shape=SHAPE)
    n_columns = display.im_.get_size()[1] // 9
    drawn = pictures(display.im_).reshape(-1, 2, n_columns, 8, 8)
    data, reconstructions = drawn.swapaxes(0, 1).reshape(2, -1, 8, 8)
    np.testing.assert_array_equal(data[:7], X[:7].reshape(-1, 8, 8))
    expected = model.reconstruct(X[:7]).reshape(-1, 8, 8)
    np.testing.assert_allclose(reconstructions[:7], expected)
    assert np.all(np.isnan(data[7:])) and np.all(np.isnan(reconstructions[7:]))
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["data", "reconstruction"] * len(drawn)


def test_binarised_data_are_shown_as_the_model_sees_them(gaussian_vae):
    rows = 255 * X
    model = BinaryRBM(3, max_iter=1, binarize=127, random_state=0).fit(rows)
    display = ReconstructionDisplay.from_estimator(model, rows[:5], image_shape=SHAPE)
    np.testing.assert_array_equal(display.X, rows[:5] > 127)
    rows = 16 * X[:5]
    display = ReconstructionDisplay.from_estimator(
        gaussian_vae, rows, image_shape=SHAPE
    )
    np.testing.assert_array_equal(display.X, rows)
    for likelihood in ("bernoulli", Bernoulli()):
        model = small_vae(2, X, likelihood=likelihood)
        display = ReconstructionDisplay.from_estimator(model, rows, image_shape=SHAPE)
        np.testing.assert_array_equal(display.X, rows > 0.5)


def test_components(rbm):
    display = ComponentsDisplay.from_estimator(rbm, image_shape=SHAPE, n_components=6)
    norms = np.linalg.norm(rbm.components_, axis=1)
    assert display.units.tolist() == np.argsort(-norms)[:6].tolist()
    shown = rbm.components_[display.units]
    np.testing.assert_array_equal(
        pictures(display.im_)[:6], shown.reshape(-1, 8, 8).astype(float)
    )
    low, high = display.im_.get_clim()
    assert -low == high == pytest.approx(np.quantile(np.abs(shown), 0.99))
    assert display.im_.colorbar.extend == "both"
    assert display.im_.colorbar.ax.get_ylabel() == "Weight (nats)"
    every = ComponentsDisplay.from_estimator(rbm, image_shape=SHAPE)
    assert sorted(every.units) == list(range(24))


def test_components_that_cannot_be_shown(rbm):
    for n_components in (0, 25):
        with pytest.raises(ValueError, match=f"={n_components} .* from 1 to 24"):
            ComponentsDisplay.from_estimator(
                rbm, image_shape=SHAPE, n_components=n_components
            )
    with pytest.raises(TypeError, match=r"Variational.*use LatentSpaceDisplay or"):
        ComponentsDisplay.from_estimator(VariationalAutoencoder(), image_shape=SHAPE)


def test_scatter_of_the_two_latents_of_most_variance(vae):
    display = LatentSpaceDisplay.from_estimator(vae, X)
    H = vae.transform(X)
    first, second = sorted(np.argsort(-H.var(axis=0))[:2])
    (points,) = display.scatters_
    np.testing.assert_allclose(points.get_offsets(), H[:, [first, second]])
    assert display.ax_.get_xlabel() == f"Latent {first}: mean of q(h | x)"
    assert display.ax_.get_ylabel() == f"Latent {second}: mean of q(h | x)"
    assert display.im_ is None


def test_scatter_of_hidden_units(rbm):
    display = LatentSpaceDisplay.from_estimator(rbm, X, components=(5, 2), s=1)
    (points,) = display.scatters_
    np.testing.assert_allclose(points.get_offsets(), rbm.transform(X)[:, [5, 2]])
    assert points.get_sizes().tolist() == [1]
    assert display.ax_.get_xlabel() == "Hidden unit 5: P(h = 1 | x)"


@pytest.mark.parametrize(
    "y, labels",
    [
        (Y, [str(digit) for digit in range(10)]),
        (Y.astype(float), [str(digit) for digit in range(10)]),
        (Y > 4, ["False", "True"]),
        (pd.Series(Y % 3, name="rest").map({0: "none", 1: "one", 2: "two"}), None),
    ],
    ids=["int", "float", "bool", "series"],
)
def test_classes(plane_vae, y, labels):
    display = LatentSpaceDisplay.from_estimator(plane_vae, X, y)
    H, classes = plane_vae.transform(X), np.unique(np.asarray(y))
    for label, points in zip(classes, display.scatters_, strict=True):
        np.testing.assert_allclose(points.get_offsets(), H[np.asarray(y) == label])
    colors = {to_hex(points.get_facecolor()[0]) for points in display.scatters_}
    assert len(colors) == len(classes)
    shapes = {points.get_paths()[0].vertices.tobytes() for points in display.scatters_}
    assert len(shapes) == len(classes)
    assert legend_texts(display.ax_) == (labels or ["none", "one", "two"])
    title = display.ax_.get_legend().get_title().get_text()
    assert title == getattr(y, "name", "y")


def test_twenty_classes_differ():
    y = [f"class {number % 20}" for number in range(40)]
    latents = np.random.default_rng(0).normal(size=(40, 2))
    display = LatentSpaceDisplay(latents=latents, xlabel="", ylabel="", y=y).plot()
    looks = {
        (to_hex(points.get_facecolor()[0]), points.get_paths()[0].vertices.tobytes())
        for points in display.scatters_
    }
    assert len(looks) == 20


@pytest.mark.parametrize("y", [X.mean(axis=1), np.arange(200)], ids=["real", "many"])
def test_numbers_have_a_colour_bar(plane_vae, y):
    display = LatentSpaceDisplay.from_estimator(plane_vae, X, pd.Series(y, name="ink"))
    (points,) = display.scatters_
    np.testing.assert_array_equal(points.get_array(), y)
    assert points.get_cmap().name == "viridis"
    assert points.colorbar.ax.get_ylabel() == "ink"
    assert display.ax_.get_legend() is None


@pytest.mark.parametrize("components", [None, (1, 0)])
def test_decoded_grid(plane_vae, components):
    display = LatentSpaceDisplay.from_estimator(
        plane_vae, image_shape=SHAPE, components=components
    )
    n = display.im_.get_size()[0] // 9
    quantiles = ndtr(display.latents)
    expected = (np.arange(n) + 0.5) / n
    np.testing.assert_allclose(quantiles.reshape(n, n, 2)[0, :, 0], expected)
    np.testing.assert_allclose(quantiles.reshape(n, n, 2)[:, 0, 1], expected[::-1])
    H = display.latents if components is None else display.latents[:, ::-1]
    images = plane_vae.inverse_transform(H).reshape(-1, 8, 8)
    np.testing.assert_allclose(pictures(display.im_), images)
    assert display.scatters_ == []
    ticks = display.ax_.get_xticklabels()[0], display.ax_.get_yticklabels()[0]
    assert [tick.get_text() for tick in ticks] == [f"{MINUS}1.8", "1.8"]
    names = display.ax_.get_xlabel(), display.ax_.get_ylabel()
    for name, number in zip(names, components or (0, 1)):
        assert name == f"Latent {number} (quantiles of N(0, 1))"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((X, Y[:5]), "y has 5 values, but X has 200 rows: pass one for each row"),
        ((X, np.where(Y > 0, Y, np.nan)), "y contains NaN"),
        ((X, [f"id {number}" for number in range(200)]), "y has 200 classes.* merge"),
        ((None, Y), "X is None: pass the rows"),
        ((), "X is None: pass the rows"),
    ],
)
def test_bad_rows_or_classes(vae, arguments, message):
    with pytest.raises(ValueError, match=message):
        LatentSpaceDisplay.from_estimator(vae, *arguments)
    assert not plt.get_fignums()


@pytest.mark.parametrize("components", [(0, 4), (1, 1), (0,), (0, 1, 2), 1, (-1, 0)])
def test_bad_components(vae, components):
    with pytest.raises(ValueError, match=r"components=.* two different .* 0 to 3"):
        LatentSpaceDisplay.from_estimator(vae, X, components=components)


def test_models_without_a_grid(rbm, vae, exact_rbm):
    with pytest.raises(ValueError, match=r"n_components=4: pass X .* or fit"):
        LatentSpaceDisplay.from_estimator(vae, image_shape=SHAPE)
    with pytest.raises(ValueError, match="BinaryRBM has no Gaussian latents"):
        LatentSpaceDisplay.from_estimator(rbm, image_shape=SHAPE)
    mixture = small_vae(2, X, prior="mixture")
    with pytest.raises(ValueError, match="prior='mixture' and n_components=2: pass X"):
        LatentSpaceDisplay.from_estimator(mixture, image_shape=SHAPE)
    with pytest.raises(ValueError, match="leave out one"):
        LatentSpaceDisplay.from_estimator(vae, X, image_shape=SHAPE)
    line = BinaryRBM(1, max_iter=1, random_state=0).fit(X)
    with pytest.raises(ValueError, match="n_components=1, a plane needs two"):
        LatentSpaceDisplay.from_estimator(line, X)


@pytest.mark.parametrize(
    "display, message",
    [
        (SampleDisplay(samples=[0, 1], image_shape=(1, 2)), "samples has shape"),
        (
            ReconstructionDisplay(
                X=[[0, 1]], reconstructions=[[0, 1], [1, 1]], image_shape=(1, 2)
            ),
            "X has shape",
        ),
        (TrainingCurveDisplay(epoch=[], train=[], validation=[]), "have shapes"),
        (
            TrainingCurveDisplay(epoch=[1], train=[-np.inf], validation=[np.nan]),
            "got inf",
        ),
        (
            LatentSpaceDisplay(
                latents=np.zeros((2, 2)), xlabel="", ylabel="", y=["a", None]
            ),
            "cannot be compared",
        ),
    ],
)
def test_bad_data_is_refused_before_a_figure_is_made(display, message):
    with pytest.raises(ValueError, match=message):
        display.plot()
    assert not plt.get_fignums()


def test_columns_have_a_panel_each():
    days = pd.date_range("2020-01-01", periods=6, freq="D")
    data = pd.DataFrame({"x": [0, 1, 1, 2, 2, None], "c": [*"aabbb", None]})
    data = data.assign(day=days, span=days - days[0], flag=[True, False] * 3)
    samples = data[::-1].reset_index(drop=True)
    _, (left, right) = plt.subplots(1, 2)
    display = ColumnsDisplay(data=data, samples=samples).plot(ax=right)
    assert display.ax_ is right and not left.has_data()
    assert [ax.get_xlabel() for ax in display.axes_] == list(data.columns)
    number, category = display.axes_[:2]
    for part in number.patches:  # a bin for each whole number
        assert_allclose(part.get_data().values, [0.2, 0.4, 0.4])
        assert_allclose(part.get_data().edges, [-0.5, 0.5, 1.5, 2.5])
    assert_allclose([bar.get_height() for bar in category.patches], [0.4, 0.6] * 2)
    assert [text.get_text() for text in category.get_xticklabels()] == ["a", "b"]
    assert legend_texts(number) == ["data", "samples"]
    display.figure_.canvas.draw()
    with pytest.raises(ValueError, match=r"other columns: \['x'.* and \['c'"):
        ColumnsDisplay(data=data, samples=data[["c"]]).plot()


def test_columns_of_arrays(rbm):
    display = ColumnsDisplay.from_estimator(rbm, X, n_samples=10, random_state=0)
    assert len(display.axes_) == 24
    assert display.axes_[3].get_xlabel() == "column 3"
    assert np.shape(display.samples) == (10, X.shape[1])
