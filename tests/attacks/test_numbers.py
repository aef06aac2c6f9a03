"""Offsets, scales and rare values: numbers that float32 cannot hold as they are."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import sparse, stats

import skgen
from skgen import VariationalAutoencoder
from skgen.vae.likelihoods import ColumnLikelihood, Gaussian, Poisson
from skgen.vae.units import Units, merged, moments_of

X = np.random.default_rng(0).normal(size=(300, 2)) @ [[1, 0.5], [0, 1]]
X = np.rint(64 * X) / 64  # which offsets neither merge nor part


def quick(**parameters):
    options = {"n_components": 1, "hidden_layer_sizes": (8,), "max_iter": 3}
    options |= {"random_state": 0, "n_score_samples": 32} | parameters
    return VariationalAutoencoder(**options)


def with_gaps(X):
    X = X.copy()
    X[::3, 0] = np.nan
    return X


@pytest.mark.parametrize("noise_variance", ["scalar", "feature", "heteroscedastic"])
@pytest.mark.parametrize(
    "offset, scale",
    [(1e8, 1), (1.7e9, 3600), (1e12, 1), (-1e10, 1e-2), (0, 1e-30), (0, 1e30)],
)
def test_offset_and_scale_change_nothing(offset, scale, noise_variance, tmp_path):
    rows, tolerance = offset + scale * X, 1e-6 + 1e-15 * abs(offset) / scale
    plain = quick(noise_variance=noise_variance).fit(with_gaps(X))
    vae = quick(noise_variance=noise_variance).fit(with_gaps(rows))
    vae.save(tmp_path / "vae")
    vae = skgen.load(tmp_path / "vae")
    close = {"atol": 20 * tolerance}
    assert_allclose(vae.transform(rows), plain.transform(X), **close)
    for method in ("score_samples", "elbo", "log_likelihood"):
        for data in (X, with_gaps(X)):
            n_observed = (~np.isnan(data)).sum(axis=1)
            mine = getattr(vae, method)(offset + scale * data)
            expected = getattr(plain, method)(data) - np.log(scale) * n_observed
            assert_allclose(mine, expected, rtol=1e-6, **close)
    for mine, expected in (
        (vae.sample(50, random_state=0), plain.sample(50, random_state=0)),
        (vae.reconstruct(rows), plain.reconstruct(X)),
    ):
        assert_allclose((mine - offset) / scale, expected, atol=100 * tolerance)
    # chains amplify what rounding differs by
    mine, expected = vae.impute(with_gaps(rows)), plain.impute(with_gaps(X))
    assert_allclose(np.mean(mine - offset) / scale, np.mean(expected), atol=0.05)
    assert_allclose(np.std(mine) / scale, np.std(expected), rtol=0.05)
    if plain.noise_variance_ is not None:
        assert_allclose(vae.noise_variance_ / scale**2, plain.noise_variance_, 1e-4)
    n_observed = (~np.isnan(with_gaps(X))).sum() / X.size * 2
    gain = vae.history_.train_elbo - plain.history_.train_elbo
    assert_allclose(gain, -np.log(scale) * n_observed, atol=5)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_noise_variance_of_float32_columns_is_a_number(scale):
    vae, plain = (quick().fit(rows) for rows in ((scale * X).astype(np.float32), X))
    assert_allclose(vae.noise_variance_ / scale**2, plain.noise_variance_, rtol=1e-2)


def test_offsets_of_float32_and_of_integers():
    """What the dtype holds is used: seconds in float32 are multiples of 128."""
    for dtype, spread in (np.float32, 1e4), (np.int64, 1e4):
        rows = (1.7e9 + spread * X).astype(dtype)
        vae = quick().fit(rows)
        draws = vae.sample(2000).astype(np.float64)
        assert vae.sample().dtype == dtype
        assert_allclose(draws.mean(axis=0), 1.7e9, atol=0.2 * spread)
        assert_allclose(draws.std(axis=0), spread * X.std(axis=0), rtol=0.2)


@pytest.mark.parametrize(
    "part",
    [Gaussian("feature"), Gaussian("heteroscedastic"), Gaussian(4e4), "gaussian"],
)
def test_offsets_beside_other_columns(part):
    """A fixed variance is in the units of the data in a part of the columns too."""
    likelihood = ColumnLikelihood([("bernoulli", [1]), (part, [2, 0])])
    rows = np.column_stack([1e9 + 300 * X[:, 0], X[:, 0] > 0, 5 + 300 * X[:, 1]])
    small = np.column_stack([X[:, 0], X[:, 0] > 0, X[:, 1]])
    smaller = Gaussian(4 / 9) if "40000" in repr(part) else part
    plain = ColumnLikelihood([("bernoulli", [1]), (smaller, [2, 0])])
    vae, plain = (quick(likelihood=one) for one in (likelihood, plain))
    vae.fit(rows), plain.fit(small)
    expected = plain.score_samples(small) - 2 * np.log(300)
    assert_allclose(vae.score_samples(rows), expected, atol=1e-3)


def test_a_density_of_data_with_an_offset_integrates_to_one():
    vae = quick(noise_variance="feature").fit(1e9 + 50 * X[:, :1])
    grid = 1e9 + np.linspace(-500, 500, 2001)[:, np.newaxis]
    assert_allclose(np.exp(vae.score_samples(grid)).sum() * 0.5, 1, atol=1e-3)


@pytest.mark.parametrize("offset, scale", [(0, 1), (1e12, 1), (3, 1e-200), (0, 1e140)])
def test_moments(offset, scale):
    rows = with_gaps(offset + scale * X)
    moments = moments_of(rows)
    expected = with_gaps(X)
    precision = {"rtol": 1e-3 if offset == 1e12 else 1e-6}
    if offset != 3:  # where nothing is left of the spread
        assert_allclose(moments.std / scale, np.nanstd(expected, axis=0), **precision)
    assert_allclose(moments.mean, np.nanmean(rows, axis=0), atol=1e-3 * scale)
    assert_allclose(moments.n, [200, 300])


def test_moments_of_a_sparse_matrix_and_of_constant_columns():
    rows = np.where(X > 1, X, 0) * [1e-170, 1e5]
    rows = np.column_stack([rows, np.zeros(300), np.full(300, 0.1)])
    dense, csr = moments_of(rows), moments_of(sparse.csr_matrix(rows))
    for one, other in zip(dense[:2], csr[:2]):
        assert_allclose(one, other, rtol=1e-12)
    assert_allclose(dense.std, csr.std, rtol=1e-12, atol=1e-12)
    assert_allclose(dense.std[2:], 0, atol=0)
    assert dense.mean[3] == 0.1


def test_a_sparse_matrix_stays_one_in_other_units():
    csr = sparse.csr_matrix(np.where(X > 1, X, 0))
    scaled = Units(np.zeros(2), np.array([2.0, 4.0])).rows(csr)
    assert sparse.issparse(scaled) and scaled.dtype == np.float32
    assert_allclose(scaled.toarray() * [2, 4], csr.toarray(), rtol=1e-6)
    dense = Units(np.ones(2), np.array([2.0, 4.0])).rows(csr)
    assert_allclose(dense * [2, 4] + 1, csr.toarray(), atol=1e-6)


def batches(seed=0):
    """A batch whose last column is constant, and others where it is not."""
    rows = np.random.default_rng(seed).normal(size=(6, 200, 3))
    rows[..., 1] += rows[..., 0]
    rows[..., 2] = 5 + 1000 * (rows[..., 2] + rows[..., 0])
    rows[0, :, 2] = 5
    return rows


@pytest.mark.parametrize(
    "likelihood, gap",
    [
        (Gaussian("scalar"), 15),
        (Gaussian("feature"), 3),
        (Gaussian("heteroscedastic"), 3),
        (Gaussian(0.5), 200),  # a thousandth of the deviation
        (ColumnLikelihood([(Gaussian("feature"), [2]), ("gaussian", [1, 0])]), 3),
        (ColumnLikelihood([(Gaussian("heteroscedastic"), [2, 0, 1])]), 3),
    ],
)
def test_a_column_that_is_constant_in_the_first_batch(likelihood, gap, tmp_path):
    """It costs some nats, not millions."""
    first, *others, last = batches()
    options = {"hidden_layer_sizes": (16,), "batch_size": 10}
    vae = quick(likelihood=likelihood, **options)
    for _ in range(5):
        vae.partial_fit(first)
    for rows in others:
        vae.partial_fit(rows)
    vae.save(tmp_path / "vae")
    vae = skgen.load(tmp_path / "vae").partial_fit(others[0])
    known = quick(likelihood=likelihood, max_iter=5, **options)
    known.fit(np.concatenate(others))
    assert vae.score(last) > known.score(last) - gap


@pytest.mark.parametrize("noise_variance", ["scalar", "feature", "heteroscedastic"])
def test_columns_that_keep_their_spread_keep_their_model(noise_variance):
    first, second, *_ = batches()
    # what is known of the third column does not count
    some = np.where([True, True, False], first, np.nan)
    # the average of the weights would go on towards the last ones
    parameters = {"noise_variance": noise_variance, "averaging": 0}
    parameters["hidden_layer_sizes"] = ()
    vae = quick(max_iter=20, **parameters).fit(first)
    H, scale = vae.transform(first), vae._state.units.scale
    means = vae.inverse_transform(H)
    vae.set_params(learning_rate=1e-30).partial_fit(second)
    assert vae._state.units.scale[2] > 100 * scale[2]
    assert_allclose(vae.transform(first), H, atol=1e-2)
    assert_allclose(vae.inverse_transform(H)[:, :2], means[:, :2], atol=1e-2)
    assert_allclose(vae.sample(2000)[:, 2].std(), second[:, 2].std(), rtol=0.7)
    assert np.isfinite(vae.score_samples(some)).all()


def test_moments_of_two_sets_of_rows():
    one, other = with_gaps(1e10 + X[:100]), 1e10 + 5 + 3 * X[100:]
    expected = moments_of(np.concatenate([one, other]))
    for mine, whole in zip(merged(moments_of(one), moments_of(other)), expected):
        assert_allclose(mine, whole, rtol=1e-5)
    empty = np.column_stack([np.full(9, np.nan), np.ones(9)])
    assert_allclose(merged(moments_of(one), moments_of(empty))[1][0], 1e10, atol=1)


def test_a_rare_value_among_many_rows():
    """Its unit comes from all rows, whichever are looked at more closely."""
    rows = np.random.default_rng(0).normal(size=(12_000, 3))
    rows[:, 2] = 0
    rows[7000, 2] = 1
    scores = []
    for seed in range(3):
        vae = quick(noise_variance="feature", early_stopping=False, random_state=seed)
        scores.append(vae.fit(rows).score_samples(rows[7000:7001]))
    assert np.min(scores) > -10_000


@pytest.mark.parametrize(
    "likelihood, learning_rate",
    [("gaussian", 1), ("gaussian", 10), ("gaussian", 100), ("bernoulli", 100)],
)
def test_training_that_diverges_is_an_error(likelihood, learning_rate):
    rows = np.random.default_rng(0).normal(size=(300, 4))
    rows = rows > 0 if likelihood == "bernoulli" else rows
    diverged = pytest.raises(FloatingPointError, match=r"Epoch \d+: .*learning_rate")
    for early_stopping in (True, False):
        options = {"likelihood": likelihood, "early_stopping": early_stopping}
        vae = quick(max_iter=2, hidden_layer_sizes=(64, 64), **options)
        with diverged:
            vae.set_params(learning_rate=learning_rate).fit(rows)
        assert not hasattr(vae, "history_")
        vae.set_params(learning_rate=0.002).partial_fit(rows)
        before = vae.score(rows)
        with diverged:
            vae.set_params(learning_rate=learning_rate).partial_fit(rows)
        assert vae.score(rows) == before


@pytest.mark.parametrize("rate", [1e-3, 0.5, 3, 11, 1e3, 1e6, 1e9])
def test_counts_of_any_size_in_float32(rate):
    """Where log p is a small difference of large numbers."""
    likelihood = Poisson().build(1)
    near = stats.poisson(rate).rvs(20, random_state=0)
    counts = np.concatenate([[0, 1, 2], near.clip(max=2**24)]).astype(float)
    expected = stats.poisson(rate).logpmf(counts)
    for dtype, close in (torch.float64, 1e-9), (torch.float32, 3e-6):
        X = torch.tensor(counts, dtype=dtype)[:, None]
        outputs = torch.full((1, 1), np.log(rate), dtype=torch.float64).to(dtype)
        error = likelihood.terms(outputs, X)[:, 0].numpy() - expected
        # a rounded log rate is a rate that is wrong by as much
        moved = abs(counts - rate) * np.log(max(rate, 3)) * close
        assert np.all(abs(error) <= close * 10 * (1 + abs(expected)) + moved)


def test_scores_of_large_counts_in_float32():
    rng = np.random.default_rng(0)
    h = rng.normal(size=(200, 1))
    rows = rng.poisson(1e6 * np.exp(0.3 * h * [1, -1, 0.5])).astype(float)
    vae = quick(likelihood="poisson", batch_size=10, max_iter=60).fit(rows)
    as_float32 = vae.score_samples(rows[:20].astype(np.float32))
    assert_allclose(as_float32, vae.score_samples(rows[:20]), atol=0.1)
