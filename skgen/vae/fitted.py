"""What a fitted VAE answers: posteriors, bounds, likelihoods and samples."""

import copy
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.validation import check_array, check_is_fitted

from skgen.base import GenerativeEstimator
from skgen.vae import bounds, imputation, parallel
from skgen.vae.likelihoods import Bernoulli, as_likelihood
from skgen.vae.missing import for_rows
from skgen.validation import (
    binarized,
    check_count,
    check_fills_in,
    check_input,
    float_dtype,
    probabilities,
    row_blocks,
    rows_as_float,
    with_missing,
)

_STARTS = 500  # draws from the prior that chains of missing entries start from


class Posterior(NamedTuple):
    """q(h | x) = N(mean, diag std^2), each of shape (n_samples, n_components)."""

    mean: np.ndarray
    std: np.ndarray


class FittedVAE(GenerativeEstimator):
    """Methods of ``VariationalAutoencoder`` that need its fitted attributes only.

    X is dense or CSR of shape (n_samples, n_features); results are in the dtype of X.
    All methods raise ``NotFittedError`` before ``fit`` and ``ValueError`` on input that
    is infinite or of another number of features; those that evaluate p(x | h) also on
    input outside the support of the likelihood. NaN in a dense X is a missing entry:
    log-likelihoods and bounds are those of the observed entries, and the encoder is
    shown the column's mean.
    """

    def transform(self, X):
        """Features: the mean of q(h | x).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_components)

        Examples
        --------
        >>> from skgen import VariationalAutoencoder
        >>> X = [[0.0, 1.0], [1.0, 0.0]]
        >>> vae = VariationalAutoencoder(1, max_iter=2, random_state=0).fit(X)
        >>> vae.transform(X).shape
        (2, 1)
        """
        return self.posterior(X).mean

    def posterior(self, X):
        """The encoder's q(h | x).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        Posterior
            mean and std, each of shape (n_samples, n_components).

        Examples
        --------
        >>> from skgen import VariationalAutoencoder
        >>> X = [[0.0, 1.0], [1.0, 0.0]]
        >>> vae = VariationalAutoencoder(1, max_iter=2, random_state=0).fit(X)
        >>> vae.posterior(X).std.shape
        (2, 1)
        """

        def moments(model, X):
            mean, log_std = model.posterior(X)
            return torch.stack([mean, torch.exp(log_std)], dim=1)

        both = self._by_rows(moments, X, as_probabilities=True)
        return Posterior(both[:, 0], both[:, 1])

    def inverse_transform(self, H):
        """The mean of p(x | h).

        Parameters
        ----------
        H : array-like of shape (n_samples, n_components)

        Returns
        -------
        ndarray of shape (n_samples, n_features)

        Examples
        --------
        >>> from skgen import VariationalAutoencoder
        >>> X = [[0.0, 1.0], [1.0, 0.0]]
        >>> vae = VariationalAutoencoder(1, max_iter=2, random_state=0).fit(X)
        >>> vae.inverse_transform([[0.0]]).shape
        (1, 2)
        """
        check_is_fitted(self)
        H = check_array(H, dtype=(np.float64, np.float32), input_name="H")
        if H.shape[1] != self._n_features_out:
            raise ValueError(
                f"H has {H.shape[1]} columns, but the model has {self._n_features_out} "
                f"components: pass what transform returns."
            )
        return self._apply(
            lambda model, H: model.likelihood.mean(model.decode(H)), H, H.dtype
        )

    def elbo(self, X, *, return_terms=False):
        """The evidence lower bound of each row, E_q[log p(x | h)] - KL[q || p].

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        return_terms : bool, default=False

        Returns
        -------
        ndarray of shape (n_samples,), or a tuple of three
            ELBO, or (ELBO, reconstruction, KL) with ELBO = reconstruction - KL, nats.
            The expectation is over ``n_score_samples`` draws that all rows share.

        Examples
        --------
        >>> from skgen import VariationalAutoencoder
        >>> X = [[0.0, 1.0], [1.0, 0.0]]
        >>> vae = VariationalAutoencoder(1, max_iter=2, random_state=0).fit(X)
        >>> elbo, reconstruction, kl = vae.elbo(X, return_terms=True)
        >>> bool(abs(elbo - (reconstruction - kl)).max() < 1e-12)
        True
        """
        check_is_fitted(self)
        noise = self._noise(self.n_score_samples, self._seed)

        def terms(model, X):
            block = noise.to(X)[:, None]
            return torch.stack(bounds.elbo_terms(model, X, block), dim=1)

        parts = self._by_rows(terms, X, width=self.n_score_samples)
        reconstruction, kl = parts.T
        elbo = reconstruction - kl
        return (elbo, reconstruction, kl) if return_terms else elbo

    def score_samples(self, X):
        """log p(x) by importance sampling from the encoder.

        ``n_score_samples`` draws, the same for every row and every call: a row has one
        number, alone or in any batch. In a ``Pipeline`` x is what the step before the
        last one puts out: after a ``StandardScaler``, log p of X itself is smaller by
        the sum of log(scale_).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats.

        Examples
        --------
        >>> from skgen import VariationalAutoencoder
        >>> X = [[0.0, 1.0], [1.0, 0.0]]
        >>> vae = VariationalAutoencoder(1, max_iter=2, random_state=0).fit(X)
        >>> vae.score_samples(X).shape
        (2,)
        """
        check_is_fitted(self)
        return self._log_likelihood(X, self.n_score_samples, "encoder", self._seed)

    def log_likelihood(
        self, X, *, n_samples=1000, proposal="encoder", random_state=None
    ):
        """An importance-sampled estimate of log p(x).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        n_samples : int, default=1000
            Latent draws.
        proposal : {"encoder", "prior"}, default="encoder"
            "prior" is the direct approach, p(x) ~ (1/n) sum_i p(x | h_i).
        random_state : int, RandomState instance or None, default=None
            None: that of the estimator.

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats.

        Examples
        --------
        >>> from skgen import VariationalAutoencoder
        >>> X = [[0.0, 1.0], [1.0, 0.0]]
        >>> vae = VariationalAutoencoder(1, max_iter=2, random_state=0).fit(X)
        >>> vae.log_likelihood(X, n_samples=50, proposal="prior").shape
        (2,)
        """
        check_is_fitted(self)
        if proposal not in ("encoder", "prior"):
            raise ValueError(
                f"proposal must be 'encoder' or 'prior', got {proposal!r}."
            )
        check_count(n_samples, "n_samples", 1)
        seed = int(self._generator(random_state).integers(2**31))
        return self._log_likelihood(X, n_samples, proposal, seed)

    def sample(self, n_samples=1, *, random_state=None):
        """New rows: h ~ p(h), x ~ p(x | h).

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int, RandomState instance or None, default=None
            None: that of the estimator.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the dtype of the training data.

        Examples
        --------
        >>> from skgen import VariationalAutoencoder
        >>> X = [[0.0, 1.0], [1.0, 0.0]]
        >>> vae = VariationalAutoencoder(1, max_iter=2, random_state=0).fit(X)
        >>> vae.sample(3).shape
        (3, 2)
        """
        check_is_fitted(self)
        check_count(n_samples, "n_samples", 1)
        seed = int(self._generator(random_state).integers(2**62))
        generator = torch.Generator().manual_seed(seed)
        likelihood = self._model.likelihood
        with torch.no_grad():
            H = self._from_prior(n_samples, generator)
            blocks = [
                likelihood.sample(self._model.decode(H[rows]), generator)
                for rows in row_blocks(n_samples, self._width)
            ]
        X = torch.cat(blocks).numpy()
        if self._dtype_of_X.kind in "iu":
            limits = np.iinfo(self._dtype_of_X)
            X = np.rint(X, dtype=np.float64).clip(limits.min, limits.max)
        elif self._dtype_of_X.kind == "b":
            X = X > 0.5
        return X.astype(self._dtype_of_X)

    def impute(self, X, *, n_gibbs_steps=100, return_mean=False, random_state=None):
        """X with draws from p(missing | observed) for its missing entries.

        Chains of h ~ p(h | observed) start from draws of the prior, chosen by the
        likelihood of what is observed, and make Hamiltonian moves; x ~ p(x | h) in the
        end.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Dense; NaN is a missing entry. One-hot columns are missing together.
        n_gibbs_steps : int, default=100
            Moves of each chain, whose length is adapted in the first half of them.
            Twenty are enough for binary pixels; where the noise is a hundredth of the
            variance and most of a row is missing, a few hundred are not too many.
        return_mean : bool, default=False
            Fill in E[x_i | observed] instead: the mean of p(x | h) over the second half
            of the moves of five chains.
        random_state : int, RandomState instance or None, default=None
            None: that of the estimator.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Floating-point; observed entries as they are, a draw or a mean for each NaN.

        Raises
        ------
        TypeError
            If X is sparse, where zeros are values.

        Examples
        --------
        >>> import numpy as np
        >>> from skgen import VariationalAutoencoder
        >>> X = np.repeat([[0, 0, 0], [1, 1, 1]], 100, axis=0)
        >>> vae = VariationalAutoencoder(
        ...     1, likelihood="bernoulli", max_iter=30, random_state=0
        ... ).fit(X)
        >>> vae.impute([[1, np.nan, 1], [0, 0, np.nan]])
        array([[1., 1., 1.],
               [0., 0., 0.]])
        """
        check_is_fitted(self)
        check_count(n_gibbs_steps, "n_gibbs_steps", 1)
        X, missing = with_missing(self, X)
        states = X
        if isinstance(self._model.likelihood, Bernoulli):
            check_fills_in(self.binarize)
            states = binarized(X, self.binarize)
        else:
            self._check_support(self._model.likelihood, X)
        incomplete = np.flatnonzero(missing.any(axis=1))
        if incomplete.size == 0:
            return X
        rng = self._generator(random_state)
        with torch.no_grad():
            starts = self._from_prior(_STARTS, _torch_generator(rng))

        def fill_in(model, X):
            model.requires_grad_(False)
            settings = starts.to(X), n_gibbs_steps, _torch_generator(rng, X.device)
            if return_mean:
                return imputation.conditional_means(model, X, *settings)
            return imputation.conditional(model, X, *settings)[0]

        values = self._apply(fill_in, states[incomplete], X.dtype, imputation.N_CHAINS)
        X[missing] = values[missing[incomplete]]
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    @property
    def _n_features_out(self):
        return self._model.n_components

    def _from_prior(self, n_samples, generator):
        model = self._model
        shape = (n_samples, self._n_features_out)
        return model.prior.sample(shape, generator, model.posterior)

    def _noise(self, n_samples, seed):
        generator = torch.Generator().manual_seed(seed)
        shape = (n_samples, self._n_features_out)
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    def _log_likelihood(self, X, n_samples, proposal, seed):
        if proposal == "encoder":
            noise = self._noise(n_samples, seed)
        else:
            with torch.no_grad():
                generator = torch.Generator().manual_seed(seed)
                noise = self._from_prior(n_samples, generator)

        def estimate(model, X):
            shared = noise.to(X)
            return bounds.log_likelihood(model, X, shared, proposal, self._width)

        return self._by_rows(estimate, X)

    def _is_bernoulli(self):
        return self.likelihood == "bernoulli" or isinstance(self.likelihood, Bernoulli)

    def _resamples(self):
        return self._is_bernoulli() and self.binarize == "sample"

    def _resolve_device(self):
        name = self.device
        if name == "auto":
            mps = torch.backends.mps.is_available()
            name = "mps" if mps else "cpu"
            if torch.cuda.is_available():
                name = f"cuda:{parallel.rank().local % torch.cuda.device_count()}"
        try:
            place = torch.zeros(1, device=name)
            place.item()  # the meta device holds no values
            return place.device
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise ValueError(
                f"device={self.device!r} is not available to torch ({error}): use "
                f"'auto' or 'cpu'."
            ) from error

    def _device_at_hand(self):
        """The CPU where a model of another machine does not find its device."""
        try:
            return self._resolve_device()
        except ValueError:
            return torch.device("cpu")

    def _built_likelihood(self, n_features):
        gaussian = self.likelihood == "gaussian"
        parameters = {"noise_variance": self.noise_variance} if gaussian else {}
        return as_likelihood(self.likelihood, **parameters).build(n_features)

    def _training_rows(self, X, *, reset, warn=True):
        """X as float32, as uint8 0/1, or as probabilities, and the dtype it had."""
        X = check_input(self, X, reset=reset, missing=True)
        dtype = X.dtype
        if self._resamples():
            return _as_float32(probabilities(X)), dtype
        if self._is_bernoulli():
            return binarized(X, self.binarize, warn=warn), dtype
        self._check_support(self._built_likelihood(X.shape[1]), X)
        return _as_float32(X), dtype

    def _check_support(self, likelihood, X):
        for rows in row_blocks(X.shape[0], X.shape[1]):
            likelihood.check(rows_as_float(X, rows, np.float64), rows.start)

    def _by_rows(self, function, X, *, as_probabilities=False, width=1):
        check_is_fitted(self)
        X = check_input(self, X, missing=True)
        dtype = float_dtype(X.dtype)
        if isinstance(self._model.likelihood, Bernoulli):
            probable = as_probabilities and self.binarize == "sample"
            X = probabilities(X) if probable else binarized(X, self.binarize)
        elif not as_probabilities:
            self._check_support(self._model.likelihood, X)

        def of_observed(model, X):
            return function(for_rows(model, X), X)

        return self._apply(of_observed, X, dtype, width)

    def _apply(self, function, X, dtype, width=1):
        """function(model, rows of X) in blocks of rows, on the fitted device."""
        torch_dtype = torch.float64 if dtype == np.float64 else torch.float32
        device = self._device_at_hand()
        if device.type == "mps":
            torch_dtype = torch.float32
        model = copy.deepcopy(self._model).to(device=device, dtype=torch_dtype)
        results = []
        with torch.no_grad():
            for rows in row_blocks(X.shape[0], width * max(X.shape[1], self._width)):
                block = torch.from_numpy(rows_as_float(X, rows, dtype))
                block = block.to(device=device, dtype=torch_dtype)
                results.append(function(model, block).cpu().numpy())
        return np.concatenate(results).astype(dtype, copy=False)


def _torch_generator(rng, device="cpu"):
    return torch.Generator(device).manual_seed(int(rng.integers(2**62)))


def _as_float32(X):
    """X in float32; an array also as torch takes it: forward strides, not read-only."""
    with np.errstate(over="ignore"):
        X = X.astype(np.float32, copy=False)
    values = X.data if sparse.issparse(X) else X
    if np.any(np.isinf(values)):
        raise ValueError(
            "X holds values beyond 3.4e38, too large for float32: put a StandardScaler "
            "before."
        )
    return X if sparse.issparse(X) else np.require(X, np.float32, ["C", "W"])
