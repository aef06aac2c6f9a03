"""VariationalAutoencoder: the VAE as an estimator."""

import copy
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from sklearn.model_selection import train_test_split

from skgen.base import features_kept_on_failure
from skgen.fitting import (
    EarlyStopping,
    report_line,
    rows_per_update,
    run_epochs,
    step_sizes,
)
from skgen.vae.bounds import elbo_terms
from skgen.vae.fitted import FittedVAE
from skgen.vae.likelihoods import NAMES, Gaussian, Likelihood, as_likelihood
from skgen.vae.networks import ACTIVATIONS, Autoencoder, as_network, mlp
from skgen.vae.training import Settings, initial_state, moved, train_epoch
from skgen.validation import (
    Interval,
    StrOptions,
    _fit_context,
    as_generator,
    drawn,
    float_dtype,
    row_blocks,
    rows_as_float,
)

_SCORED_ROWS = 1000  # training rows behind the learning curve


class Scores(NamedTuple):
    """The learning curve: means over rows, nats."""

    train_elbo: float
    validation_elbo: float


class VariationalAutoencoder(FittedVAE):
    """Variational autoencoder with a true likelihood, on a torch backend.

    Prior p(h) = N(0, I), decoder p(x | h), encoder q(h | x) = N(mu(x), diag s^2(x)).
    Training maximises E_q[log p(x | h)] - KL[q(h | x) || p(h)] <= log p(x);
    ``transform`` gives posterior means, ``score_samples`` importance-sampled
    log-likelihoods in nats and ``sample`` new rows.

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
        2 * n_components: mean and log-variance.
    decoder : torch.nn.Module, callable or None, default=None
        Likewise; it maps n_components values to the likelihood's outputs.
    likelihood : str or Likelihood, default="gaussian"
        "gaussian", "bernoulli", "poisson", "categorical" (all columns one one-hot
        block) or an object of ``skgen.vae.likelihoods``, such as ColumnLikelihood.
    noise_variance : {"scalar", "feature"} or float, default="scalar"
        sigma^2 of "gaussian": one learned, one learned per feature, or fixed.
    objective : {"elbo", "iwae"}, default="elbo"
        The bound that is maximised; "iwae" needs several importance samples.
    n_importance_samples : int, default=1
        Latent draws per row while training.
    beta : float, default=1.0
        Weight of the KL term of the ELBO.
    kl_warmup : int, default=0
        Epochs over which that weight grows from 0 to `beta`.
    learning_rate : float, default=0.002
        Of Adam, in the first epoch.
    learning_rate_schedule : {"cosine", "constant"}, default="cosine"
        "cosine" falls to zero over `max_iter`. ``partial_fit`` uses "constant".
    weight_decay : float, default=0.0
        Decoupled (AdamW).
    batch_size : int or "auto", default="auto"
        Rows per update; larger than n_samples means all rows. "auto" makes about 100
        updates an epoch from 10 to 100 rows each.
    max_iter : int, default=100
        Epochs.
    averaging : float, default=0.999
        Decay of the running average of the weights, in [0, 1); 0: the last iterate.
    early_stopping : bool, default=False
        Stop when the ELBO of held-out rows no longer grows; keep the best epoch.
    validation_fraction : float, default=0.1
        Rows held out when `early_stopping` is set and no `X_val` is given.
    n_iter_no_change : int, default=10
        Epochs without a gain of `tol` before stopping.
    tol : float, default=0.001
        Nats.
    n_score_samples : int, default=100
        Importance samples per row in ``score_samples``.
    binarize : float, None or "sample", default=0.5
        For the Bernoulli likelihood only, as in ``BinaryRBM``.
    device : str, default="auto"
        A torch device; "auto" takes cuda, then mps, then cpu.
    precision : {"float32", "bfloat16"}, default="float32"
        "bfloat16" trains under autocast.
    warm_start : bool, default=False
        ``fit`` continues from the current weights and optimiser state.
    verbose : int, default=0
        1: one line per epoch.
    random_state : int, RandomState instance or None, default=None
        Neither NumPy's nor torch's global generator is ever touched.

    Attributes
    ----------
    encoder_, decoder_ : torch.nn.Module
    noise_variance_ : ndarray of shape (1,) or (n_features,)
        With a Gaussian likelihood.
    n_iter_ : int
    history_ : numpy.recarray of shape (n_iter_,)
        epoch, seconds, train_elbo (of at most 1,000 rows), validation_elbo; nats.
    device_ : torch.device
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)

    Raises
    ------
    FloatingPointError
        From ``fit`` and ``partial_fit``, naming the epoch, when training diverges.

    References
    ----------
    Kingma, D. P. and Welling, M. Auto-encoding variational Bayes. ICLR 2014.
    Burda, Y., Grosse, R. and Salakhutdinov, R. Importance weighted autoencoders. ICLR
    2016.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skgen import VariationalAutoencoder
    >>> X = load_iris().data
    >>> vae = VariationalAutoencoder(2, max_iter=5, random_state=0).fit(X)
    >>> vae.transform(X).shape, vae.sample(3).shape
    ((150, 2), (3, 4))
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": ["array-like"],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "encoder": [torch.nn.Module, callable, None],
        "decoder": [torch.nn.Module, callable, None],
        "likelihood": [StrOptions(set(NAMES)), Likelihood],
        "noise_variance": [
            StrOptions({"scalar", "feature"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "objective": [StrOptions({"elbo", "iwae"})],
        "n_importance_samples": [Interval(Integral, 1, None, closed="left")],
        "beta": [Interval(Real, 0, None, closed="left")],
        "kl_warmup": [Interval(Integral, 0, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "learning_rate_schedule": [StrOptions({"constant", "cosine"})],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "batch_size": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "averaging": [Interval(Real, 0, 1, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_score_samples": [Interval(Integral, 1, None, closed="left")],
        "binarize": [
            Interval(Real, None, None, closed="neither"),
            StrOptions({"sample"}),
            None,
        ],
        "device": [str],
        "precision": [StrOptions({"float32", "bfloat16"})],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components=10,
        *,
        hidden_layer_sizes=(256, 256),
        activation="silu",
        encoder=None,
        decoder=None,
        likelihood="gaussian",
        noise_variance="scalar",
        objective="elbo",
        n_importance_samples=1,
        beta=1.0,
        kl_warmup=0,
        learning_rate=2e-3,
        learning_rate_schedule="cosine",
        weight_decay=0.0,
        batch_size="auto",
        max_iter=100,
        averaging=0.999,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-3,
        n_score_samples=100,
        binarize=0.5,
        device="auto",
        precision="float32",
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood
        self.noise_variance = noise_variance
        self.objective = objective
        self.n_importance_samples = n_importance_samples
        self.beta = beta
        self.kl_warmup = kl_warmup
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.averaging = averaging
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.n_score_samples = n_score_samples
        self.binarize = binarize
        self.device = device
        self.precision = precision
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, X_val=None):
        """Fit the model to the rows of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : Ignored
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Held-out rows, for the learning curve and for early stopping.

        Returns
        -------
        self

        Examples
        --------
        >>> from skgen import VariationalAutoencoder
        >>> vae = VariationalAutoencoder(1, max_iter=2, random_state=0)
        >>> vae.fit([[0.0, 1.0], [1.0, 0.0]]).n_iter_
        2
        """
        if self.kl_warmup > self.max_iter:
            raise ValueError(
                f"kl_warmup={self.kl_warmup} epochs is longer than max_iter="
                f"{self.max_iter}: the KL term would never reach its weight. Lower "
                f"kl_warmup or raise max_iter."
            )
        continues = self.warm_start and hasattr(self, "_state")
        return self._train(
            X, X_val, continues, self.max_iter, self.learning_rate_schedule
        )

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """One pass over the rows of X in mini-batches, from where the model is.

        The learning rate is constant and the KL term has its full weight.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Any number of rows.
        y : Ignored

        Returns
        -------
        self

        Examples
        --------
        >>> from skgen import VariationalAutoencoder
        >>> vae = VariationalAutoencoder(1, random_state=0)
        >>> vae.partial_fit([[0.0, 1.0]]).partial_fit([[1.0, 0.0]]).n_iter_
        2
        """
        return self._train(X, None, hasattr(self, "_state"), 1, "constant", False)

    def _train(self, X, X_val, continues, max_iter, schedule, whole_fit=True):
        """Check the input, train for max_iter epochs and store the result."""
        with features_kept_on_failure(self):
            device = self._resolve_device()
            X, dtype = self._training_rows(X, reset=not continues)
            rng = as_generator(self.random_state)
            seed = self._seed if continues else int(rng.integers(2**31))
            if X_val is not None:
                X_val, _ = self._training_rows(X_val, reset=False, warn=False)
            elif self.early_stopping and whole_fit:
                X, X_val = train_test_split(
                    X, test_size=self.validation_fraction, random_state=seed
                )
            likelihood = self._built_likelihood(X.shape[1])
            for rows in (X, X_val):
                self._check_support(likelihood, rows)
            state = self._start(X.shape[1], likelihood, device, rng, continues)
            earlier = self.history_ if continues else None
            warmup = self.kl_warmup if whole_fit else 0
            state, history = self._run(
                state, X, X_val, max_iter, schedule, warmup, earlier
            )
        self._store(state, history, device, dtype, seed)
        return self

    def _built_likelihood(self, n_features):
        parameters = {}
        if self.likelihood == "gaussian":
            parameters["noise_variance"] = self.noise_variance
        return as_likelihood(self.likelihood, **parameters).build(n_features)

    def _check_support(self, likelihood, X):
        if X is None or self._resamples():
            return
        for rows in row_blocks(X.shape[0], X.shape[1]):
            likelihood.check(rows_as_float(X, rows, np.float64), rows.start)

    def _start(self, n_features, likelihood, device, rng, continues):
        """A new training state or, lest failing harm the model, a copy of its own."""
        if continues:
            if self.n_components != self._state.model.n_components:
                raise ValueError(
                    f"The fitted model has {self._state.model.n_components} components "
                    f"and cannot go on with n_components={self.n_components}: set it "
                    f"back, or clone the estimator to start anew."
                )
            return moved(copy.deepcopy(self._state), device)
        sizes = tuple(self.hidden_layer_sizes)
        n_latent, n_outputs = self.n_components, likelihood.n_outputs
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(rng.integers(2**62)))
            encoder = as_network(
                self.encoder,
                "encoder",
                n_features,
                2 * n_latent,
                lambda: mlp(n_features, sizes, 2 * n_latent, self.activation),
            )
            decoder = as_network(
                self.decoder,
                "decoder",
                n_latent,
                n_outputs,
                lambda: mlp(n_latent, sizes[::-1], n_outputs, self.activation),
            )
        model = Autoencoder(encoder, decoder, likelihood, n_latent)
        return initial_state(model.to(device), self.weight_decay, rng)

    def _run(self, state, X, X_val, max_iter, schedule, warmup, earlier):
        """Epochs of training, scored on some training rows and on the held-out ones."""
        batch_size = rows_per_update(self.batch_size, X.shape[0])
        settings = Settings(
            batch_size, *(getattr(self, name) for name in Settings._fields[1:])
        )
        n_updates = -(-X.shape[0] // batch_size)
        n_earlier = 0 if earlier is None else len(earlier)
        resample = self._resamples()
        device = next(state.model.parameters()).device
        scored = self._scored_rows(X, X_val, state.rng)
        seed = int(state.rng.integers(2**31))
        data = X if sparse.issparse(X) else torch.from_numpy(X).to(device)

        def train(state, epoch):
            rates = step_sizes(
                schedule, self.learning_rate, epoch - n_earlier, max_iter, n_updates
            )
            done = epoch - n_earlier - 1 + (np.arange(n_updates) + 1) / n_updates
            weights = self.beta * np.minimum(1, done / warmup if warmup else 1)
            weights = np.broadcast_to(weights, n_updates)
            with torch.random.fork_rng(devices=[]):  # for dropout and the like
                torch.default_generator.manual_seed(int(state.rng.integers(2**62)))
                return train_epoch(state, data, settings, rates, weights, resample)

        def evaluate(state):
            scores = Scores(
                *(
                    np.nan
                    if rows is None
                    else self._mean_elbo(state.average, rows, seed)
                    for rows in scored
                )
            )
            return scores, scores.validation_elbo

        name = type(self).__name__
        report = report_line(name, n_earlier + max_iter) if self.verbose else None
        stops = self.early_stopping and X_val is not None
        return run_epochs(
            state,
            train,
            evaluate,
            epochs=range(n_earlier + 1, n_earlier + max_iter + 1),
            early_stopping=(
                EarlyStopping(self.n_iter_no_change, self.tol) if stops else None
            ),
            report=report,
            earlier=earlier,
        )

    def _scored_rows(self, X, X_val, rng):
        """Rows behind the learning curve: of the training data, and held out."""
        if X.shape[0] > _SCORED_ROWS:
            X = X[rng.choice(X.shape[0], _SCORED_ROWS, replace=False)]
        if self._resamples():
            return drawn(X, rng), None if X_val is None else drawn(X_val, rng)
        return X, X_val

    @torch.no_grad()
    def _mean_elbo(self, model, X, seed):
        model.eval()
        device = next(model.parameters()).device
        generator = torch.Generator().manual_seed(seed)
        total = 0.0
        for rows in row_blocks(X.shape[0], 4 * X.shape[1]):
            block = torch.from_numpy(rows_as_float(X, rows, np.float32)).to(device)
            noise = torch.randn(
                (1, len(block), model.n_components), generator=generator
            ).to(device)
            reconstruction, kl = elbo_terms(model, block, noise)
            total += float((reconstruction - kl).sum(dtype=torch.float64))
        return total / X.shape[0]

    def _store(self, state, history, device, dtype, seed):
        model = copy.deepcopy(state.average).cpu().eval()
        self.encoder_, self.decoder_ = model.encoder, model.decoder
        self._model = model
        if isinstance(model.likelihood, Gaussian):
            variance = model.likelihood.variance().detach().numpy()
            self.noise_variance_ = variance.astype(float_dtype(dtype))
        self.history_ = history
        self.n_iter_ = len(history)
        self.device_ = device
        self._state = moved(state, torch.device("cpu"))  # pickles load anywhere
        self._seed = seed
        self._dtype_of_X = dtype
