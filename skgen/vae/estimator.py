"""VariationalAutoencoder: the VAE as an estimator."""

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, overload

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skgen import validation
from skgen.base import GenerativeEstimator
from skgen.containers import as_frame
from skgen.sources import by_blocks
from skgen.table import part_of, read_table, values_of
from skgen.typing import Data, RandomState, Result
from skgen.vae import (
    bounds,
    imputation,
    likelihoods,
    networks,
    parallel,
    revision,
    scoring,
    start,
    tables,
    training,
)
from skgen.vae.likelihoods import Autoregressive, Bernoulli, Gaussian, Likelihood
from skgen.vae.missing import observed_entries
from skgen.vae.proposals import quasi_random_draws, standardized
from skgen.vae.units import Moments, Units, check_observed, merged, moments_of
from skgen.validation import SHARED_CONSTRAINTS, Interval, StrOptions
from skgen.views import View

_ACTIVE_VARIANCE = 0.01  # Burda, Grosse and Salakhutdinov, ICLR 2016
_N_FITTING_DRAWS = 128, 2048  # first and last, of the proposals of log_likelihood
_DIVERGED = 1e5  # times the nats at the start, or one for each column
_SOME_ROWS = 100  # that tell the nats at the start
_N_STARTS = 500  # draws from the prior that chains of missing entries start from


class Scores(NamedTuple):
    """The learning curve: means over rows, nats."""

    train_elbo: float
    validation_elbo: float


class Summary(NamedTuple):
    """What training tells about the model, besides its state."""

    active_units: np.ndarray


class Posterior(NamedTuple):
    """q(h | x) = N(mean, diag std^2), each of shape (n_samples, n_components)."""

    mean: np.ndarray
    std: np.ndarray


class VariationalAutoencoder(GenerativeEstimator):
    """Variational autoencoder with a true likelihood, on a torch backend.

    Prior p(h) = N(0, I), decoder p(x | h), encoder q(h | x) = N(mu(x), diag s^2(x)).
    Training maximises E_q[log p(x | h)] - KL[q(h | x) || p(h)] <= log p(x).
    ``transform`` gives posterior means, ``score_samples`` importance-sampled
    log-likelihoods in nats, and ``sample`` new rows.

    A data frame of pandas or polars is taken as it is. A monotone map takes each number
    to a nearly normal score, whose distribution given h is normal. Text, categories and
    booleans are categories. The likelihood is in the units of the columns: a density
    for numbers and times, per second, where a value on a grid shares it with its cell,
    and a probability for integers and categories. Beyond the range seen the density
    goes on with a normal tail, but no sample lies there.

    With Gaussian noise training starts from the linear model of the same size, which is
    solved at once: probabilistic PCA, or factor analysis where each feature has its own
    noise variance. For a frame it is the factor analysis of scores and contrasts of
    categories. With prior="vamp", your own `encoder` or `decoder`, or another
    likelihood, it starts from the means of the columns.

    NaN in a dense X is a missing entry. What is learned and scored is log p of the
    observed entries. Train with ``objective="iwae"`` if there are gaps: posteriors of
    rows with gaps are less like the encoder's. A model of complete rows has an encoder
    that is too certain about rows with large gaps. It loosens their ``elbo`` but not
    their score, for which every row has a proposal of its own.

    For the likelihood of a table of numbers, search over `n_components`, `prior`
    and `learning_rate` with ``noise_variance="full"``, or "heteroscedastic" if there
    are few rows. Describe columns of few distinct values by a ``ColumnLikelihood``. For
    a binary table take ``likelihood="autoregressive"``, or "chow_liu" if it has gaps,
    ``objective="iwae"`` and a `weight_decay` of 0.1.

    Under ``torchrun``, once ``torch.distributed`` is initialised, call ``fit`` or
    ``partial_fit`` with the same X and callbacks on every process. They train one
    model, each on its share of every batch, and all have it in the end.

    Parameters
    ----------
    n_components : int, default=10
        Latent dimensions.
    hidden_layer_sizes : tuple of int, default=(256, 256)
        The encoder's hidden layers; the decoder mirrors them. () is a linear model.
    activation : str, default="silu"
        "elu", "gelu", "leaky_relu", "relu", "silu", "softplus" or "tanh".
    encoder : torch.nn.Module, callable or None, default=None
        Network instead of the perceptron: a module (copied, never trained in place) or
        a callable (n_in, n_out) that makes one. It maps n_features values to
        2 * n_components: mean and log-variance. It sees Gaussian columns centred and
        scaled, each by its deviation, or all by one where they share a variance.
    decoder : torch.nn.Module, callable or None, default=None
        Likewise; it maps n_components values to the likelihood's outputs, in the same
        units.
    likelihood : str, dict or Likelihood, default="auto"
        "auto" takes each column of a data frame by its dtype, and "gaussian" for an
        array. A dict {column: "number" or "category"} says what a column of a frame is
        where its dtype misleads. Else "gaussian", "bernoulli", "chow_liu" (binary
        columns that also depend on one another, by a tree), "autoregressive" (each
        binary column depends on all before it; no gaps), "poisson", "categorical" (all
        columns are one one-hot block) or an object of ``skgen.vae.likelihoods``, such
        as ColumnLikelihood. Small Parquet files are frames, large ones arrays.
    noise_variance : str or float, default="scalar"
        sigma^2 of likelihood="gaussian". "scalar": one that is learned; "feature": one
        per feature; "heteroscedastic": one per feature that depends on h; "full": a
        covariance matrix that depends on h, the best for a table of a few numbers; or
        a fixed one, in the units of X squared. A ``Gaussian`` object brings its own.
        The numbers of a frame have a noise of their own kind, whatever this says.
    prior : {"normal", "mixture", "vamp", "flow"}, default="normal"
        N(0, I), a learned mixture of 100 diagonal Gaussians, the mixture of the
        encoder's posteriors of 100 learned pseudo-inputs, or N(0, I) taken through six
        affine couplings.
    objective : {"elbo", "iwae"}, default="elbo"
        The bound that is maximised; with one importance sample "iwae" is the ELBO.
    n_importance_samples : int, default=1
        Latent draws per row while training.
    beta : float, default=1.0
        Weight of the KL term of the ELBO; "iwae" does not use it.
    kl_warmup : int, default=0
        Epochs over which that weight grows from 0 to `beta` when training begins.
    learning_rate : float, default=0.002
        Of Adam, in the first epoch.
    learning_rate_schedule : {"cosine", "constant"}, default="cosine"
        "cosine" falls to zero over `max_iter`. ``partial_fit`` uses "constant".
    weight_decay : float, default=0.0
        Decoupled (AdamW).
    batch_size : int or "auto", default="auto"
        Rows per update. "auto" is 3 sqrt(n_samples), but 10 to 200.
    max_iter : int, default=300
        Epochs at most.
    max_time : float, default=None
        Seconds that ``fit`` takes at most, beyond its first epoch. The schedule of the
        learning rate ends then. How many epochs fit in depends on the machine.
    averaging : float, default=0.999
        Decay of the running average of the weights, in [0, 1); 0: the last iterate.
    early_stopping : bool, default=True
        Return the epoch with the best bound on held-out rows, of the kind that is
        trained. After `n_iter_no_change` epochs without a gain, not counting those of
        `kl_warmup`, training returns to the best epoch, finishes a "cosine" decay in as
        many epochs, and stops.
    validation_fraction : float, default=0.1
        Rows held out when `early_stopping` is set and no `X_val` is given.
    n_iter_no_change : int, default=20
        Training stops after so many epochs that gain less than `tol` together.
    tol : float, default=0.01
        Nats.
    n_score_samples : int, default=128
        Quasi-random draws per row in ``elbo``, rounded up to a power of two, and in
        ``score_samples``, which takes at least 32 and more for a row that needs them.
    binarize : float, None or "sample", default=0.5
        For the Bernoulli likelihood only, as in ``BinaryRBM``: a threshold; None, X
        must hold only 0 and 1; or "sample", X holds probabilities, drawn anew in every
        epoch. Then ``transform`` and ``posterior`` use the probabilities. All else,
        such as ``elbo``, ``score_samples`` and ``impute``, is of one binary draw of
        each row, which never changes: it follows from the row alone.
    device : str, default="auto"
        "auto" takes cuda, then mps, then cpu.
    precision : {"float32", "bfloat16"}, default="float32"
        "bfloat16" trains under autocast.
    compile : bool, default=False
        Run the training step through ``torch.compile``. It takes a minute at first and
        needs a C++ compiler; without one a RuntimeWarning says that it has no effect.
    warm_start : bool, default=False
        ``fit`` continues from the current weights and optimiser state.
    verbose : int, default=0
        1: one line per epoch.
    random_state : int, RandomState instance or None, default=None
        The global generators of NumPy and torch are left as they were. Your own
        `encoder` or `decoder` may draw from torch's, which is seeded meanwhile.

    Attributes
    ----------
    encoder_, decoder_ : torch.nn.Module
        Gaussian columns enter and leave them centred and scaled.
    noise_variance_ : ndarray of shape (1,) or (n_features,), or None
        Of a Gaussian likelihood; None for others, and if it depends on h.
    active_units_ : ndarray of bool of shape (n_components,)
        Latents that carry information: the variance of their posterior mean over the
        training rows is above 0.01. Few of them are a sign of posterior collapse.
    n_iter_ : int
    history_ : numpy.recarray of length n_iter
        epoch, seconds, train_elbo (of at most 1,000 rows), validation_elbo; nats.
    device_ : torch.device
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)

    Raises
    ------
    FloatingPointError
        From ``fit`` and ``partial_fit``, naming the epoch, when training diverges.
    ValueError
        From all methods, on an X that is infinite or of another number of features.
        Those that evaluate p(x | h) also refuse an X outside the likelihood's support.

    References
    ----------
    Kingma, D. P. and Welling, M. Auto-encoding variational Bayes. ICLR 2014.
    Burda, Y., Grosse, R. and Salakhutdinov, R. Importance weighted autoencoders. ICLR
    2016.
    Mattei, P.-A. and Frellsen, J. MIWAE: deep generative modelling and imputation of
    incomplete data sets. ICML 2019.

    Examples
    --------
    Three columns follow one hidden number. The latent finds it, and the noise variance
    is 0.1 squared, as it should be:

    >>> import numpy as np
    >>> from skgen import VariationalAutoencoder
    >>> rng = np.random.default_rng(0)
    >>> h = rng.normal(size=(300, 1))
    >>> X = h * [1.0, 2.0, -1.0] + 0.1 * rng.normal(size=(300, 3))
    >>> vae = VariationalAutoencoder(1, max_iter=5, random_state=0).fit(X)
    >>> bool(abs(np.corrcoef(vae.transform(X).T, h.T)[0, 1]) > 0.99)
    True
    >>> vae.noise_variance_.round(2)
    array([0.01])
    """

    encoder_: nn.Module
    decoder_: nn.Module
    noise_variance_: Any  # an array or None, and the union would have no `.round()`
    active_units_: np.ndarray
    device_: torch.device

    _parameter_constraints = SHARED_CONSTRAINTS | {
        "hidden_layer_sizes": ["array-like"],
        "activation": [StrOptions(set(networks.ACTIVATIONS))],
        "encoder": [nn.Module, callable, None],
        "decoder": [nn.Module, callable, None],
        "likelihood": [StrOptions({"auto", *likelihoods.NAMES}), dict, Likelihood],
        "noise_variance": [
            StrOptions({*likelihoods.NOISE_VARIANCES, "full"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "prior": [StrOptions({"normal", "mixture", "vamp", "flow"})],
        "objective": [StrOptions({"elbo", "iwae"})],
        "n_importance_samples": [Interval(Integral, 1, None, closed="left")],
        "beta": [Interval(Real, 0, None, closed="left")],
        "kl_warmup": [Interval(Integral, 0, None, closed="left")],
        "learning_rate_schedule": [StrOptions({"constant", "cosine"})],
        "n_score_samples": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "precision": [StrOptions({"float32", "bfloat16"})],
        "compile": ["boolean"],
    }
    _fixed_by_fit = (
        "n_components",
        "hidden_layer_sizes",
        "activation",
        "encoder",
        "decoder",
        "likelihood",
        "noise_variance",
        "prior",
    )
    _scores = Scores
    _training_parts = ("model", "optimizer")

    def __init__(
        self,
        n_components: int = 10,
        *,
        hidden_layer_sizes: Sequence[int] = (256, 256),
        activation: str = "silu",
        encoder: nn.Module | Callable[[int, int], nn.Module] | None = None,
        decoder: nn.Module | Callable[[int, int], nn.Module] | None = None,
        likelihood: str | dict[Any, str] | Likelihood = "auto",
        noise_variance: str | float = "scalar",
        prior: str = "normal",
        objective: str = "elbo",
        n_importance_samples: int = 1,
        beta: float = 1.0,
        kl_warmup: int = 0,
        learning_rate: float = 2e-3,
        learning_rate_schedule: str = "cosine",
        weight_decay: float = 0.0,
        batch_size: int | Literal["auto"] = "auto",
        max_iter: int = 300,
        max_time: float | None = None,
        averaging: float = 0.999,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 20,
        tol: float = 1e-2,
        n_score_samples: int = 128,
        binarize: float | Literal["sample"] | None = 0.5,
        device: str = "auto",
        precision: str = "float32",
        compile: bool = False,
        warm_start: bool = False,
        verbose: int = 0,
        random_state: RandomState = None,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood
        self.noise_variance = noise_variance
        self.prior = prior
        self.objective = objective
        self.n_importance_samples = n_importance_samples
        self.beta = beta
        self.kl_warmup = kl_warmup
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.max_time = max_time
        self.averaging = averaging
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.n_score_samples = n_score_samples
        self.binarize = binarize
        self.device = device
        self.precision = precision
        self.compile = compile
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @by_blocks
    def transform(self, X: Data) -> Result:
        """Features: the mean of q(h | x).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_components)

        Examples
        --------
        One feature tells two kinds of rows apart:

        >>> from skgen import VariationalAutoencoder
        >>> X = [[0, 0, 0], [1, 1, 1]] * 100
        >>> vae = VariationalAutoencoder(
        ...     1, likelihood="bernoulli", max_iter=20, random_state=0
        ... ).fit(X)
        >>> H = vae.transform([[0, 0, 0], [1, 1, 1]])
        >>> bool(H[0, 0] * H[1, 0] < 0)
        True
        """
        return self.posterior(X).mean

    def posterior(self, X: Data) -> Posterior:
        """The encoder's q(h | x) = N(mean, diag std^2).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        Posterior
            mean and std, each of shape (n_samples, n_components).

        Examples
        --------
        Four noisy copies of h leave an uncertainty of 0.1 / sqrt(4):

        >>> import numpy as np
        >>> from skgen import VariationalAutoencoder
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(300, 1)) + 0.1 * rng.normal(size=(300, 4))
        >>> vae = VariationalAutoencoder(1, max_iter=5, random_state=0).fit(X)
        >>> vae.posterior(X[:2]).std.round(2)
        array([[0.05],
               [0.05]])
        """
        X, dtype = self._checked(X, as_probabilities=True)
        both = self._in_blocks(_posterior_moments, X, dtype, units=self._units)
        return Posterior(both[:, 0], both[:, 1])

    def inverse_transform(self, X: Data) -> Result:
        """The mean of p(x | h).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Each row is an h.

        Returns
        -------
        ndarray of shape (n_samples, n_features)

        Examples
        --------
        >>> from skgen import VariationalAutoencoder
        >>> X = [[0, 0, 0], [1, 1, 1]] * 100
        >>> vae = VariationalAutoencoder(
        ...     1, likelihood="bernoulli", max_iter=20, random_state=0
        ... ).fit(X)
        >>> vae.inverse_transform(vae.transform([[0, 0, 0], [1, 1, 1]])).round()
        array([[0., 0., 0.],
               [1., 1., 1.]])
        """
        check_is_fitted(self)
        H = validation.check_latent(self, X, self._n_features_out, "X")
        means = self._in_blocks(_decoded_mean, H, H.dtype)
        means = self._units.leave(means).astype(H.dtype, copy=False)
        if not self._is_mixed(self._table):
            return means
        return self._as_given(tables.decoded_means(self._table, means))

    @overload
    def elbo(self, X: Data, *, return_terms: Literal[False] = False) -> np.ndarray: ...

    @overload
    def elbo(
        self, X: Data, *, return_terms: Literal[True]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...

    def elbo(self, X: Data, *, return_terms: bool = False) -> Any:
        """The evidence lower bound of each row, E_q[log p(x | h)] - KL[q || p].

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        return_terms : bool, default=False

        Returns
        -------
        ndarray of shape (n_samples,), or a tuple of three
            ELBO, or (ELBO, reconstruction, KL) with ELBO = reconstruction - KL, nats.
            The expectation is over quasi-random draws that all rows share, as many as
            `n_score_samples` says. It is exact for a linear model.

        Examples
        --------
        >>> from skgen import VariationalAutoencoder
        >>> X = [[0, 0, 0], [1, 1, 1]] * 100
        >>> vae = VariationalAutoencoder(
        ...     1, likelihood="bernoulli", max_iter=20, random_state=0
        ... ).fit(X)
        >>> elbo, reconstruction, kl = vae.elbo(X, return_terms=True)
        >>> bool(abs(elbo - (reconstruction - kl)).max() < 1e-12)
        True
        >>> bool((elbo < vae.score_samples(X)).all())
        True
        """
        check_is_fitted(self)
        n_draws = self._n_first_draws()
        draws = quasi_random_draws(n_draws, self._n_features_out, self._seed)
        terms = partial(_elbo_terms, noise=standardized(draws.normal))
        reconstruction, kl = self._densities(terms, X, n_draws).T
        elbo = reconstruction - kl
        return (elbo, reconstruction, kl) if return_terms else elbo

    @by_blocks
    def score_samples(self, X: Data) -> Result:
        """log p(x) by importance sampling.

        For each row Newton's method finds a mode of p(x, h), starting at the encoder's
        mean. Draws come from the normal distribution with that mode and curvature, with
        small shares of wider ones and of the prior. A row whose standard error is above
        0.04 nats gets a better proposal and twice as many draws, up to 8,192.

        A row has one number, alone or in any batch, the same in every call. A row
        without any observed entry has 0. In a ``Pipeline`` x is the output of the step
        before the last. After a ``StandardScaler``, log p of X itself is smaller by the
        sum of log(scale_).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skgen import VariationalAutoencoder
        >>> X = load_iris().data
        >>> vae = VariationalAutoencoder(2, max_iter=5, random_state=0).fit(X)
        >>> ordinary, strange = vae.score_samples([X[0], X[0] + [0, 0, 3, 0]])
        >>> bool(ordinary > strange + 10)
        True

        log p(a | b) is a difference, log p(a, b) - log p(b), for missing entries are
        left out. The length of a petal tells its width, one of the two classes of it:

        >>> frame = load_iris(as_frame=True).data.iloc[:, 2:]
        >>> frame["broad"] = frame.pop("petal width (cm)") > 1
        >>> vae = VariationalAutoencoder(1, max_iter=20, random_state=0).fit(frame)
        >>> rows = frame.iloc[[0, 100]].astype({"broad": object})
        >>> log_p = vae.score_samples(rows)
        >>> log_p -= vae.score_samples(rows.assign(broad=None))
        >>> bool((log_p > -0.5).all())
        True
        """
        check_is_fitted(self)
        n_draws = max(self._n_first_draws(), scoring.FEWEST_DRAWS)
        most_draws = max(n_draws, scoring.MOST_DRAWS)
        draws = quasi_random_draws(2 * most_draws, self._n_features_out, self._seed)
        numbers = n_draws, most_draws, self._width

        def estimate(model, X):
            model = observed_entries(model, X)
            return scoring.adaptive_estimate(model, X, draws, *numbers)[0][0]

        return self._densities(estimate, X, width=4)

    @overload
    def log_likelihood(
        self,
        X: Data,
        *,
        n_samples: int = 1000,
        proposal: str = "encoder",
        return_ess: Literal[False] = False,
        random_state: RandomState = None,
    ) -> np.ndarray: ...

    @overload
    def log_likelihood(
        self,
        X: Data,
        *,
        n_samples: int = 1000,
        proposal: str = "encoder",
        return_ess: Literal[True],
        random_state: RandomState = None,
    ) -> tuple[np.ndarray, np.ndarray]: ...

    def log_likelihood(
        self,
        X: Data,
        *,
        n_samples: int = 1000,
        proposal: str = "encoder",
        return_ess: bool = False,
        random_state: RandomState = None,
    ) -> Any:
        """An importance-sampled estimate of log p(x).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        n_samples : int, default=1000
            Latent draws; best a power of two, for they are quasi-random.
        proposal : {"encoder", "prior"}, default="encoder"
            "encoder" starts from the encoder's mean and fits a distribution to each
            row, as ``score_samples`` does. "prior" is the direct approach,
            p(x) ~ (1/n) sum_i p(x | h_i).
        return_ess : bool, default=False
        random_state : int, RandomState instance or None, default=None
            None: the estimator's own.

        Returns
        -------
        ndarray of shape (n_samples,), or a tuple of two
            Nats; with `return_ess` also the effective sample size of each row, at most
            the number of draws n. The standard error is sqrt(1 / ess - 1 / n) nats; do
            not believe an estimate whose ess is below 10.

        Examples
        --------
        Both proposals estimate the same number. The model is linear, so the first one
        is exact, and all its draws count:

        >>> from sklearn.datasets import load_iris
        >>> from skgen import VariationalAutoencoder
        >>> X = load_iris().data
        >>> vae = VariationalAutoencoder(
        ...     2, hidden_layer_sizes=(), max_iter=2, random_state=0
        ... ).fit(X)
        >>> encoder, ess = vae.log_likelihood(X, n_samples=128, return_ess=True)
        >>> prior = vae.log_likelihood(X, n_samples=2**14, proposal="prior")
        >>> bool(abs(encoder.mean() - prior.mean()) < 0.1)
        True
        >>> ess[:3].round()
        array([128., 128., 128.])
        """
        check_is_fitted(self)
        if proposal not in ("encoder", "prior"):
            raise ValueError(f"proposal is {proposal!r}, not 'encoder' or 'prior'.")
        validation.check_count(n_samples, "n_samples", 1)
        seed = int(self._generator(random_state).integers(2**31))
        draws = quasi_random_draws(n_samples, self._n_features_out, seed)
        to_fit = quasi_random_draws(
            2 * _N_FITTING_DRAWS[1], self._n_features_out, self._seed
        )

        def estimate(model, X):
            model, width = observed_entries(model, X), self._width
            if proposal == "prior":
                estimates = scoring.estimate_by_prior(model, X, draws, width)
            else:
                _, q = scoring.adaptive_estimate(
                    model, X, to_fit, *_N_FITTING_DRAWS, width
                )
                estimates = scoring.estimate_by(model, X, q, draws, width)
            return torch.stack(estimates, dim=1)

        log_likelihood, ess = self._densities(estimate, X).T
        return (log_likelihood, ess) if return_ess else log_likelihood

    def sample(
        self,
        n_samples: int = 1,
        *,
        given: Mapping[Any, Any] | Data | None = None,
        random_state: RandomState = None,
    ) -> Result:
        """New rows: h ~ p(h), x ~ p(x | h).

        Parameters
        ----------
        n_samples : int, default=1
        given : dict, data frame or array-like, default=None
            Draw from p(rest | given) instead, as ``impute`` does: a dict of column ->
            value holds for all rows. A frame of some of the columns, or an array with
            NaN where nothing is given, has a row for each sample.
        random_state : int, RandomState instance or None, default=None
            None: the estimator's own.

        Returns
        -------
        ndarray or data frame of shape (n_samples, n_features)
            In the dtypes of the training data. Numbers of a frame with likelihood
            "auto" stay within the range seen.

        Examples
        --------
        Equal columns stay equal:

        >>> from skgen import VariationalAutoencoder
        >>> X = [[0, 0, 0], [1, 1, 1]] * 100
        >>> vae = VariationalAutoencoder(
        ...     1, likelihood="bernoulli", max_iter=20, random_state=0
        ... ).fit(X)
        >>> rows = vae.sample(100)
        >>> bool((rows == rows[:, :1]).all(axis=1).mean() > 0.8)
        True
        """
        check_is_fitted(self)
        validation.check_count(n_samples, "n_samples", 1)
        rng = self._generator(random_state)
        if given is not None:
            X = self._filled(self._conditions(given, n_samples), 100, rng)
            return self._as_given(self._in_their_dtype(X))
        generator = _torch_generator(rng)
        model = self._model
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            H = self._from_prior(n_samples, generator)
            blocks = [
                model.likelihood.sample(model.decode(H[rows]), generator)
                for rows in validation.row_blocks(n_samples, self._width)
            ]
        X = self._units.leave(torch.cat(blocks).numpy())
        if self._is_mixed(self._table):
            X = tables.decoded(self._table, X)
        return self._as_given(self._in_their_dtype(X))

    def impute(
        self,
        X: Data,
        *,
        n_gibbs_steps: int = 100,
        return_mean: bool = False,
        random_state: RandomState = None,
    ) -> Result:
        """X with draws from p(missing | observed) for its missing entries.

        First h ~ p(h | observed): one of 128 draws from a proposal fitted to the
        row, by their weights, from where a few Hamiltonian moves go on. A row whose
        proposal does not fit runs a chain that starts from a draw of the prior, chosen
        by the likelihood of what is observed. In the end x ~ p(x | h).

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Dense; NaN is a missing entry. One-hot columns are missing together.
        n_gibbs_steps : int, default=100
            Moves of each chain, whose step length adapts in the first half of them.
        return_mean : bool, default=False
            Fill in E[x_i | observed] instead: the weighted mean of p(x | h) over the
            draws, or over the second half of the moves of five chains.
        random_state : int, RandomState instance or None, default=None
            None: the estimator's own.

        Returns
        -------
        ndarray or data frame of shape (n_samples, n_features)
            Observed entries are unchanged. An array is floating-point. A frame has the
            dtypes of the training data: the mean of an integer is rounded, that of a
            category is the most probable one.

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
        ...     1, likelihood="bernoulli", max_iter=20, random_state=0
        ... ).fit(X)
        >>> vae.impute([[1, np.nan, 1], [0, 0, np.nan]])
        array([[1., 1., 1.],
               [0., 0., 0.]])
        """
        check_is_fitted(self)
        validation.check_count(n_gibbs_steps, "n_gibbs_steps", 1)
        rng = self._generator(random_state)
        values = self._with_missing(X)
        filled = self._filled(values, n_gibbs_steps, rng, return_mean)
        return self._as_given(filled, X, means=return_mean)

    def _with_missing(self, X):
        """The rows of X, checked, as floating-point numbers with NaN."""
        if not self._is_mixed(self._table):
            return validation.with_missing(self, X)
        validation.check_is_frame(X)
        validation.check_features(self, X)
        return values_of(self._table, X)

    def _filled(self, X, n_gibbs_steps, rng, return_mean=False):
        """X with draws or means in place of NaN, which is written over."""
        if isinstance(self._model.likelihood, Bernoulli):
            validation.check_fills_in(X, self.binarize, self._columns)
        elif not self._is_mixed(self._table):
            _check_support(self._model.likelihood, X)
        incomplete = validation.rows_with_gaps(X)
        if incomplete.size == 0:
            return X
        starts = self._from_prior(_N_STARTS, _torch_generator(rng))
        chains = imputation.Chains(starts, n_gibbs_steps)
        seed = int(rng.integers(2**31))
        draws = quasi_random_draws(imputation.N_DRAWS, self._n_features_out, seed)

        def fill_in(model, X):
            generator, width = _torch_generator(rng, X.device), self._width
            parts = draws, chains, generator, width
            return imputation.filled(model, X, *parts, means=return_mean)

        for block in validation.row_blocks(incomplete.size, self._model.center.numel()):
            rows = incomplete[block]
            X[rows] = self._rows_filled(X[rows], fill_in, return_mean)
        return X

    def _rows_filled(self, X, fill_in, return_mean):
        mixed, states = self._is_mixed(self._table), X
        if mixed:
            states = tables.encoded(self._table, X)
        elif isinstance(self._model.likelihood, Bernoulli):
            states = validation.binarized(X, self.binarize)[:]
        states = self._units.enter(states)
        values = self._in_blocks(fill_in, states, np.float32, imputation.N_CHAINS)
        values = self._units.leave(values)
        if mixed:
            decode = tables.decoded_means if return_mean else tables.decoded
            values = decode(self._table, values)
        return np.where(np.isnan(X), values, X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = _about_gaps(self.likelihood)["missing"]
        return tags

    @property
    def _n_features_out(self):
        return self._model.n_components

    def _table_of(self, X):
        kinds = self.likelihood if isinstance(self.likelihood, dict) else {}
        if not kinds and self.likelihood != "auto":
            return super()._table_of(X)
        frame = as_frame(X)
        if frame is None and kinds:
            raise ValueError(
                f"likelihood={kinds} names columns of a data frame, but X is a "
                f"{type(X).__name__}: pass a frame, or a ColumnLikelihood."
            )
        if frame is None or self._whole is None:
            return None if frame is None else read_table(frame, kinds)
        return part_of(self._whole, frame)

    @staticmethod
    def _is_mixed(table):
        """Whether the columns are those of a frame, of a kind each."""
        return table is not None and table.mixed

    def _likelihood(self, table=None):
        """The likelihood of the columns, which is not built yet."""
        if self._is_mixed(table):
            return tables.TableLikelihood(table)
        by_kind = self.likelihood == "auto" or isinstance(self.likelihood, dict)
        name = "gaussian" if by_kind else self.likelihood
        return likelihoods.as_likelihood(name, self.noise_variance)

    def _training_rows(self, X, table, *, reset, name="X"):
        """X, or what it means as uint8 0/1 or probabilities, and the dtype it had."""
        if self._is_mixed(table):
            validation.check_is_frame(X, name)
            validation.check_features(self, X, reset=reset)
            rows = tables.encoded(table, values_of(table, X, name))
            return rows, rows.dtype
        gaps = _about_gaps(self.likelihood)
        X = validation.check_input(self, X, reset=reset, name=name, **gaps)
        dtype, warn = X.dtype, name == "X"
        if self._draws_rows():
            return validation.probabilities(X, name, columns=self._columns), dtype
        likelihood = self._likelihood()
        if isinstance(likelihood, Bernoulli):
            names = {"name": name, "columns": self._columns}
            return validation.binarized(X, self.binarize, warn=warn, **names), dtype
        _check_support(likelihood.build(X.shape[1]), X, name)
        return X, dtype

    def _initial_state(self, X, every, table, rng):
        X = parallel.gathered(X)
        moments = parallel.merged(moments_of(every), merged)
        generator = _torch_generator(rng)
        check_observed(moments, every.shape[0])
        with self._seeded(torch.device("cpu"), rng):
            likelihood = self._likelihood(table).build(X.shape[1])
            likelihood.prepare(X)
            units = Units(*likelihood.standardize(moments.mean, moments.std))
            if sparse.issparse(X):  # which it stays; the decoder's bias is the mean
                units = units._replace(center=np.zeros(X.shape[1]))
            mean, std = units.enter(moments.mean), moments.std / units.scale
            mean, std = (torch.from_numpy(part).float() for part in (mean, std))
            model = start.new_model(self, likelihood, mean, std, generator)
        gaussian = isinstance(likelihood, Gaussian)
        mirrors = self.encoder is None and self.decoder is None
        varies = bool(moments.std.any())
        if self.prior == "vamp":
            # not the linear model: its narrow posteriors, which are the parts of the
            # prior, leave gaps between them
            start.choose_pseudo_inputs(model, X, units, rng)
        elif mirrors and isinstance(likelihood, tables.TableLikelihood) and varies:
            start.start_from_linear_table(model, X, units, rng)
        elif mirrors and gaussian:
            start.start_from_linear_model(model, X, units, std, rng)
        model = model.to(self._resolve_device())
        return training.initial_state(model, rng, units, moments)

    def _mean_and_deviation(self, state):
        return state.moments.mean, state.moments.std

    def _adapted(self, state, X):
        moments = parallel.merged(moments_of(X), merged)
        return revision.adapted(state, moments)

    def _prepared(self, state, X, name="X"):
        def prepared(part):
            return _as_float32(state.units.rows(part), name)

        if not isinstance(X, View):
            return prepared(X)
        return X.map(prepared, np.uint8 if X.dtype == np.uint8 else np.float32)

    @contextmanager
    def _surroundings(self):
        cpu, own = "cpu", self._resolve_device().type
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autocast(cpu, enabled=False),
            torch.autocast(own, enabled=False),
            parallel.failing_together(),
        ):
            yield

    def _training_generator(self):
        return parallel.of_first(super()._training_generator())

    def _callback_context(self, n_epochs):
        first = parallel.rank().number == 0
        return super()._callback_context(n_epochs) if first else parallel.NoCallbacks()

    def _report(self, run):
        if parallel.rank().number == 0:
            super()._report(run)

    def _ends(self, run, stops):
        run.n_left = parallel.of_first(run.n_left)  # clocks may differ
        return parallel.anywhere(stops)

    def _gathers(self):
        return parallel.rank().n_ranks == 1

    def _anywhere(self, flag):
        return parallel.anywhere(flag)

    def _in_all(self, n_rows):
        return sum(parallel.exchanged(n_rows))

    def _with_training_parts(self, state):
        model = copy.deepcopy(state.average).requires_grad_(True)
        fresh = training.initial_state(model, state.rng, state.units, state.moments)
        return fresh._replace(n_updates=state.n_updates)

    def _state_to_resume(self):
        return training.to_device(super()._state_to_resume(), self._resolve_device())

    @staticmethod
    def _suitable_batch(n_samples):
        return min(max(int(3 * n_samples**0.5), 10), 200)

    def _trainer(self, X, weights, run):
        if run.n_epochs == 0 and run.n_warmup > run.n_left:
            raise ValueError(
                f"kl_warmup={run.n_warmup} epochs is longer than max_iter="
                f"{run.n_left}: lower it, or the KL term never reaches its weight."
            )
        if weights is not None and parallel.rank().n_ranks > 1:
            raise ValueError(
                "sample_weight has shares, which processes cannot compare: use weights "
                "that are whole numbers, or train in one process."
            )
        some, n_columns = X[:_SOME_ROWS], X.shape[1]
        start_bound = training.mean_bound(run.state.average, some)
        volume = float(run.state.units.log_volume(some).mean())
        bounds = np.array([start_bound, volume])
        start_bound, volume = map(float, parallel.mean(bounds, some.shape[0]))
        # nearly independent columns, which large counts without structure stay
        run.starts_as_model = likelihoods.holds_counts(run.state.model.likelihood)
        run.lowest = _DIVERGED * min(start_bound, -n_columns) - volume
        parameters = self.get_params(deep=False)
        n_rows = sum(parallel.exchanged(X.shape[0]))
        size = self._rows_per_update(n_rows, max(n_rows, run.n_typical))
        parameters["batch_size"] = size
        settings = training.Settings(*map(parameters.get, training.Settings._fields))
        if isinstance(X, np.ndarray):
            X = torch.from_numpy(X).to(self._resolve_device())
        return training.Trainer(X, settings, self._draws_rows(), weights)

    def _train_epoch(self, trainer, run):
        rates = run.learning_rates(self.learning_rate, trainer.n_updates)
        kl_weights = self.beta * run.warmup_shares(trainer.n_updates)
        # the best state, to which training may return, may come from another machine
        state = training.to_device(run.state, self._resolve_device())
        with self._seeded(self._resolve_device(), state.rng):
            return trainer.epoch(state, rates, kl_weights)

    def _evaluate(self, state, X, X_val):
        train, held_out, bound = _mean_bound(state, X), np.nan, np.nan
        n_held_out = 0 if X_val is None else X_val.shape[0]
        if X_val is not None:
            held_out = bound = _mean_bound(state, X_val)
            n_draws = self.n_importance_samples if self.objective == "iwae" else 1
            if n_draws > 1 or self.beta != 1:
                bound = _mean_bound(state, X_val, n_draws, self.beta)
        train = float(parallel.mean(train, X.shape[0]))
        held_out, bound = parallel.mean((held_out, bound), n_held_out)
        return Scores(train, float(held_out)), 2 * (float(bound),)

    def _conclude(self, state, X, run, *, for_snapshot=False):
        if not for_snapshot:  # which one process takes alone
            parallel.copy_buffers_of_first(state.model)
            parallel.copy_buffers_of_first(state.average)
        if isinstance(X, View):
            X = X.sample(np.random.default_rng(0))
        active = training.posterior_mean_variance(state.average, X) > _ACTIVE_VARIANCE
        active = active if for_snapshot else parallel.of_first(active)
        return training.to_device(state, torch.device("cpu")), Summary(active)

    def _attributes(self, state, summary, dtype):
        model = state.average.eval()  # it is copied before training goes on
        return {
            "encoder_": model.encoder,
            "decoder_": model.decoder,
            "noise_variance_": _noise_variance(model.likelihood, state.units),
            "active_units_": summary.active_units,
            "device_": self._available_device(),
            "_model": model,
            "_units": state.units,
            "_width": model.width,
        }

    @torch.inference_mode(False)
    def _template(self, arrays, n_features, table):
        if self._is_mixed(table):
            n_features = tables.layout_of(table).width
        sizes = n_features, *self.hidden_layer_sizes, self.n_components
        likelihood = self._likelihood(table)
        networks.check_size(arrays, sizes, likelihood._n_weights(n_features))
        mean = torch.zeros(n_features, dtype=torch.float32, device="cpu")
        std = torch.ones_like(mean)
        likelihood = likelihood.build(n_features)
        model = start.new_model(self, likelihood, mean, std, torch.Generator("cpu"))
        units = Units.of_data(n_features)
        state = training.initial_state(
            model, np.random.default_rng(0), units, Moments(*np.ones((3, n_features)))
        )
        return state, Summary(np.zeros(self.n_components, bool))

    def _seeded(self, device, rng):
        """The caller's own modules may draw from torch's global generators."""
        if self.encoder is None and self.decoder is None:
            return nullcontext()
        return training.seeded_modules(device, rng)

    def _draws_rows(self):
        return isinstance(self._likelihood(), Bernoulli) and self.binarize == "sample"

    def _resolve_device(self):
        name = self.device
        if name == "auto" and torch.cuda.is_available():
            name = f"cuda:{parallel.rank().local % torch.cuda.device_count()}"
        elif name == "auto":
            name = "mps" if torch.backends.mps.is_available() else "cpu"
        try:
            place = torch.zeros(1, device=name)
            place.item()  # the meta device holds no values
            return place.device
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise ValueError(
                f"device={self.device!r} is not available to torch ({error}): use "
                f"'auto' or 'cpu'."
            ) from error

    def _available_device(self):
        """The CPU if the model comes from a machine with another device."""
        try:
            return self._resolve_device()
        except ValueError:
            return torch.device("cpu")

    def _from_prior(self, n_samples, generator):
        shape = n_samples, self._n_features_out
        with torch.no_grad():
            return self._model.latent_prior().sample(shape, generator)

    def _n_first_draws(self):
        """`n_score_samples`, rounded up to a power of 2."""
        return 1 << (self.n_score_samples - 1).bit_length()

    def _densities(self, function, X, width=1):
        """function(model, rows of X): a log density of every row, or the first column.

        X is checked here, and the density becomes one of the data.
        """
        X, dtype = self._checked(X)
        results = self._in_blocks(function, X, dtype, width, self._units)
        log_densities = results if results.ndim == 1 else results[:, 0]
        log_densities -= self._units.log_volume(X)
        return results

    def _checked(self, X, as_probabilities=False):
        """The rows of X as the likelihood takes them, and the dtype of results."""
        check_is_fitted(self)
        if self._is_mixed(self._table):
            X = tables.encoded(self._table, self._with_missing(X))
            return X, X.dtype
        X = validation.check_input(self, X, **_about_gaps(self._model.likelihood))
        dtype = validation.float_dtype(X.dtype)
        bernoulli = isinstance(self._model.likelihood, Bernoulli)
        if bernoulli and as_probabilities and self.binarize == "sample":
            X = validation.probabilities(X, columns=self._columns)
        elif bernoulli:
            X = validation.binarized(X, self.binarize, columns=self._columns)
        elif not as_probabilities:
            _check_support(self._model.likelihood, X)
        return X, dtype

    def _in_their_dtype(self, X):
        """Samples in the dtype of the training data; a mixed table has its own."""
        mixed = self._is_mixed(self._table)
        return X if mixed else validation.in_dtype(X, self._dtype_of_X)

    @torch.inference_mode(False)  # the caller's: derivatives are taken in h
    def _in_blocks(self, function, X, dtype, width=1, units=None):
        """function(model, rows of X) in blocks of rows, on the fitted device."""
        device = self._available_device()
        double = dtype == np.float64 and device.type != "mps"
        torch_dtype = torch.float64 if double else torch.float32
        model = copy.deepcopy(self._model).to(device=device, dtype=torch_dtype)
        model.requires_grad_(False)
        n_columns = width * max(X.shape[1], self._width)

        def result(rows):
            block = validation.rows_as_float(X, rows, np.float64)
            block = torch.from_numpy(units.enter(block) if units else block)
            block = block.to(device=device, dtype=torch_dtype)
            return function(model, block).cpu().numpy()

        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            results = map(result, validation.row_blocks(X.shape[0], n_columns))
            return validation.joined(results, X.shape[0], dtype)


def _noise_variance(likelihood, units):
    """sigma^2 of a Gaussian in the units of the data, or None; float32 may overflow."""
    variance = likelihood.variance() if isinstance(likelihood, Gaussian) else None
    if variance is None:
        return None
    if not isinstance(likelihood.noise_variance, str):
        return np.array([likelihood.noise_variance], np.float64)
    return variance.double().detach().numpy() * units.scale[: len(variance)] ** 2


def _mean_bound(state, X, *settings):
    """The mean bound, of the data, of rows in the state's units."""
    volume = float(state.units.log_volume(X).mean())
    return training.mean_bound(state.average, X, *settings) - volume


def _posterior_moments(model, X):
    mean, log_std = observed_entries(model, X).posterior(X)
    return torch.stack([mean, torch.exp(log_std)], dim=1)


def _decoded_mean(model, H):
    return model.likelihood.mean(model.decode(H))


def _elbo_terms(model, X, noise):
    model, noise = observed_entries(model, X), noise.to(X)[:, None]
    return torch.stack(bounds.elbo_terms(model, X, noise), dim=1)


def _torch_generator(rng, device="cpu"):
    return torch.Generator(device).manual_seed(int(rng.integers(2**62)))


def _about_gaps(likelihood):
    """Whether rows may have missing entries, and what to do if they may not."""
    refused = likelihood == "autoregressive" or isinstance(likelihood, Autoregressive)
    remedy = ", or take likelihood='chow_liu'" if refused else ""
    return {"missing": not refused, "remedy": remedy}


def _check_support(likelihood, X, name="X"):
    for rows in validation.row_blocks(X.shape[0], X.shape[1]):
        block = validation.rows_as_float(X, rows, np.float64)
        try:
            likelihood.check(block, rows.start)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error


def _as_float32(X, name):
    """X in float32, 0/1 in uint8; arrays as torch takes them: C order and writable."""
    if X.dtype == np.uint8:
        return X if sparse.issparse(X) else np.require(X, None, ["C", "W"])
    with np.errstate(over="ignore"):
        X = X.astype(np.float32, copy=False)
    values = X.data if sparse.issparse(X) else X
    if np.any(np.isinf(values)):
        limit = f"{name} holds values beyond 3.4e38 of their units, too large for"
        raise ValueError(
            f"{limit} float32: put a StandardScaler before, or take log1p of counts "
            f"and likelihood='gaussian'."
        )
    return X if sparse.issparse(X) else np.require(X, np.float32, ["C", "W"])
