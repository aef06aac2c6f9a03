"""VariationalAutoencoder: the VAE as an estimator."""

import copy
from contextlib import nullcontext
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import nn

from skgen.vae import parallel, saving
from skgen.vae.fitted import FittedVAE
from skgen.vae.likelihoods import NAMES, NOISE_VARIANCES, Gaussian, Likelihood
from skgen.vae.missing import for_rows
from skgen.vae.networks import (
    ACTIVATIONS,
    Affine,
    Autoencoder,
    LinearPlus,
    as_network,
    mlp,
    widest_layer,
)
from skgen.vae.priors import N_PARTS, Mixture, StandardNormal, VampPrior
from skgen.vae.start import begin_linearly, linear_model, rows_and_moments
from skgen.vae.training import (
    Settings,
    initial_state,
    mean_bound,
    mean_elbo,
    moved,
    objective_of,
    posterior_mean_variance,
    seeded_modules,
    train_epoch,
)
from skgen.validation import Interval, StrOptions, float_dtype, rows_as_float

_ACTIVE_VARIANCE = 0.01  # Burda, Grosse and Salakhutdinov, ICLR 2016


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

    Under ``torchrun``, once ``torch.distributed`` is initialised, ``fit`` and
    ``partial_fit`` with the same X, and the same callbacks, on every process train one
    model together, each on its share of every batch; all of them have it in the end.

    With Gaussian noise training starts from the linear model of the same size, solved
    at once: probabilistic PCA, or factor analysis where each feature has a noise
    variance (not with an `encoder` or `decoder` of the user's, nor with prior="vamp").
    Otherwise it starts from the means of the columns. It stops when held-out rows,
    unless X is a single one, say so.

    NaN in a dense X is a missing entry, in ``fit`` and elsewhere: what is learned and
    scored is log p of the observed entries, a sum of fewer terms. ``objective="iwae"``
    suits them better, for with gaps the posteriors are no longer like the encoder's; a
    model of whole rows has an encoder too sure of itself for rows with large gaps.

    For the likelihood of a table of numbers, search over `n_components`, `prior`
    and `learning_rate` with ``noise_variance="heteroscedastic"``. Columns of few
    distinct values are better told so by a ``ColumnLikelihood``.

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
    noise_variance : {"scalar", "feature", "heteroscedastic"} or float, default="scalar"
        sigma^2 of likelihood="gaussian": one learned; one learned per feature; one per
        feature that depends on h; or fixed. A ``Gaussian`` object brings its own.
    prior : {"normal", "mixture", "vamp"}, default="normal"
        N(0, I), a mixture of 100 diagonal Gaussians, learned, or the mixture of the
        encoder's posteriors of 100 learned pseudo-inputs.
    objective : {"elbo", "iwae"}, default="elbo"
        The bound that is maximised; with one importance sample "iwae" is the ELBO.
    n_importance_samples : int, default=1
        Latent draws per row while training.
    beta : float, default=1.0
        Weight of the KL term of the ELBO; no part of "iwae".
    kl_warmup : int, default=0
        Epochs over which that weight grows from 0 to `beta` when training begins.
    learning_rate : float, default=0.002
        Of Adam, in the first epoch.
    learning_rate_schedule : {"cosine", "constant"}, default="cosine"
        "cosine" falls to zero over `max_iter`. ``partial_fit`` uses "constant".
    weight_decay : float, default=0.0
        Decoupled (AdamW).
    batch_size : int or "auto", default="auto"
        Rows per update; larger than n_samples means all rows. "auto" makes about 100
        updates an epoch from 10 to 100 rows each.
    max_iter : int, default=300
        Epochs at most.
    averaging : float, default=0.999
        Decay of the running average of the weights, in [0, 1); 0: the last iterate.
    early_stopping : bool, default=True
        Keep the epoch with the best bound of held-out rows, of the kind that is
        trained. After `n_iter_no_change` epochs without a gain, those of `kl_warmup`
        not counted, training goes back to it, passes through the rest of a "cosine"
        schedule in as many epochs more, and stops.
    validation_fraction : float, default=0.1
        Rows held out when `early_stopping` is set and no `X_val` is given.
    n_iter_no_change : int, default=20
        Epochs without a gain of `tol` before stopping.
    tol : float, default=0.01
        Nats.
    n_score_samples : int, default=100
        Importance samples per row in ``score_samples``.
    binarize : float, None or "sample", default=0.5
        For the Bernoulli likelihood only, as in ``BinaryRBM``.
    device : str, default="auto"
        A torch device; "auto" takes cuda, then mps, then cpu.
    precision : {"float32", "bfloat16"}, default="float32"
        "bfloat16" trains under autocast.
    compile : bool, default=False
        Run the training step through ``torch.compile``, which takes a minute at first
        and a C++ compiler; without one a RuntimeWarning tells that it has no effect.
    warm_start : bool, default=False
        ``fit`` continues from the current weights and optimiser state.
    verbose : int, default=0
        1: one line per epoch.
    random_state : int, RandomState instance or None, default=None
        NumPy's and torch's global generators are left as found. An `encoder` or
        `decoder` of the user's may draw from torch's, which is seeded meanwhile.

    Attributes
    ----------
    encoder_, decoder_ : torch.nn.Module
    noise_variance_ : ndarray of shape (1,) or (n_features,), or None
        Of a Gaussian likelihood; None if there is none, or if it is heteroscedastic.
    active_units_ : ndarray of bool of shape (n_components,)
        Latents that carry information: the variance of their posterior mean over the
        training rows is above 0.01. Few of them are a sign of posterior collapse.
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
    Mattei, P.-A. and Frellsen, J. MIWAE: deep generative modelling and imputation of
    incomplete data sets. ICML 2019.

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
            StrOptions(set(NOISE_VARIANCES)),
            Interval(Real, 0, None, closed="neither"),
        ],
        "prior": [StrOptions({"normal", "mixture", "vamp"})],
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
        "compile": ["boolean"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
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
        prior="normal",
        objective="elbo",
        n_importance_samples=1,
        beta=1.0,
        kl_warmup=0,
        learning_rate=2e-3,
        learning_rate_schedule="cosine",
        weight_decay=0.0,
        batch_size="auto",
        max_iter=300,
        averaging=0.999,
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=20,
        tol=1e-2,
        n_score_samples=100,
        binarize=0.5,
        device="auto",
        precision="float32",
        compile=False,
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

    def _training_generator(self):
        return parallel.common(self._generator(None))

    def _goes_on(self):
        return moved(super()._goes_on(), self._resolve_device())

    def _start(self, X, rng):
        rows, mean, std = rows_and_moments(X, rng)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        with self._seeded(torch.device("cpu"), rng):
            model = self._new_model(mean, std, generator)
        # narrow posteriors, which are those of "vamp" too, leave gaps between its parts
        own = self.encoder is None and self.decoder is None and self.prior != "vamp"
        if isinstance(model.likelihood, Gaussian) and own:
            unit, *_ = model.likelihood.start(mean, std)
            linear = self._linear_model(rows, unit, model.likelihood, rng)
            begin_linearly(linear, model.encoder[1], model.decoder[0], model.likelihood)
        if self.prior == "vamp":
            inputs = rows_as_float(X, rng.choice(X.shape[0], N_PARTS), np.float32)
            inputs = torch.from_numpy(inputs)
            model.prior = VampPrior(torch.where(inputs.isnan(), mean, inputs))
        return initial_state(model.to(self._resolve_device()), rng)

    def _new_model(self, mean, std, generator):
        """For columns of these moments, float32 tensors."""
        n_features, sizes = len(mean), self._checked_sizes()
        likelihood = self._built_likelihood(n_features)
        input_scale, shift, scale = likelihood.start(mean, std)
        n_latent, n_outputs = self.n_components, likelihood.n_outputs
        layers = LinearPlus if isinstance(likelihood, Gaussian) else mlp

        def default_encoder():
            network = layers(
                n_features, sizes, 2 * n_latent, self.activation, generator
            )
            return nn.Sequential(Affine(-mean / input_scale, 1 / input_scale), network)

        def default_decoder():
            network = layers(
                n_latent, sizes[::-1], n_outputs, self.activation, generator
            )
            return nn.Sequential(network, Affine(shift, scale))

        encoder = as_network(
            self.encoder, "encoder", n_features, 2 * n_latent, default_encoder
        )
        decoder = as_network(
            self.decoder, "decoder", n_latent, n_outputs, default_decoder
        )
        prior = {
            "normal": StandardNormal,
            "mixture": lambda: Mixture(n_latent, generator),
            "vamp": lambda: VampPrior(torch.zeros(N_PARTS, n_features)),
        }[self.prior]()
        return Autoencoder(encoder, decoder, likelihood, n_latent, prior, mean)

    def _linear_model(self, rows, unit, likelihood, rng):
        """In the units in which the networks see the data."""
        unit = unit.double().numpy()
        noise = likelihood.noise_variance
        noise = noise if isinstance(noise, str) else noise / unit**2
        rows = (rows - rows.mean(axis=0)) / unit
        return linear_model(rows, self.n_components, noise, int(rng.integers(2**31)))

    def _checked_sizes(self):
        sizes = tuple(self.hidden_layer_sizes)
        if not all(isinstance(size, Integral) and size >= 1 for size in sizes):
            raise ValueError(
                f"hidden_layer_sizes must hold integers of at least 1, got {sizes!r}: "
                f"() is a model without hidden layers."
            )
        return sizes

    def _seeded(self, device, rng):
        """Modules of the user's may draw from torch's global generators."""
        if self.encoder is None and self.decoder is None:
            return nullcontext()
        return seeded_modules(device, rng)

    def _epoch_of(self, X, batch_size, course):
        warmup = self._epochs_of_warmup(course)
        if warmup > course.max_iter:
            raise ValueError(
                f"kl_warmup={warmup} epochs is longer than max_iter={course.max_iter}: "
                f"the KL term would never reach its weight. Lower kl_warmup or raise "
                f"max_iter."
            )
        settings = self._settings(batch_size)
        parallel.check_same(X)
        device = self._resolve_device()
        data = X if sparse.issparse(X) else torch.from_numpy(X).to(device)

        model = objective = None

        def epoch(state, rates, n_epochs):
            nonlocal model, objective
            if state.model is not model:
                model = state.model
                objective = objective_of(for_rows(model, data), settings)
            share = (
                np.minimum(1, n_epochs / warmup) if warmup else np.ones_like(n_epochs)
            )
            with self._seeded(device, state.rng):
                return train_epoch(
                    state,
                    data,
                    settings,
                    rates,
                    self.beta * share,
                    self._resamples(),
                    objective,
                )

        return epoch

    def _settings(self, batch_size):
        return Settings(
            batch_size, *(getattr(self, name) for name in Settings._fields[1:])
        )

    def _epochs_of_warmup(self, course):
        return self.kl_warmup if course.whole and not course.continues else 0

    def _evaluate(self, state, X, X_val):
        scores = Scores(
            *(
                np.nan if rows is None else mean_elbo(state.average, rows)
                for rows in (X, X_val)
            )
        )
        bound = scores.validation_elbo
        if X_val is not None and (self.objective == "iwae" or self.beta != 1):
            bound = mean_bound(state.average, X_val, self._settings(1), self.beta)
        return parallel.common((scores, (bound, bound)))

    def _conclude(self, state, X, n_rows_seen, course):
        return self._conclude_for_now(state, X)

    def _conclude_for_now(self, state, X):
        parallel.share_buffers(state.model)
        parallel.share_buffers(state.average)
        active = posterior_mean_variance(state.average, X) > _ACTIVE_VARIANCE
        state = moved(state, torch.device("cpu"))  # pickles load anywhere
        model = copy.deepcopy(state.average).eval()
        return state, (model, widest_layer(model), active)

    def _attributes(self, state, model, dtype):
        model, width, active = model
        gaussian = isinstance(model.likelihood, Gaussian)
        variance = model.likelihood.variance() if gaussian else None
        if variance is not None:
            variance = variance.detach().numpy().astype(float_dtype(dtype))
        return {
            "encoder_": model.encoder,
            "decoder_": model.decoder,
            "noise_variance_": variance,
            "active_units_": active,
            "device_": self._device_at_hand(),
            "_model": model,
            "_width": width,
        }

    def _to_arrays(self):
        active = {"model.active_units": self.active_units_}
        return self._state_to_arrays(self._state, "state") | active

    def _from_arrays(self, arrays, n_features):
        state = self._state_from_arrays(arrays, "state", n_features)
        active = arrays.pop("model.active_units")
        if active.shape != (self.n_components,) or active.dtype != bool:
            raise ValueError("'model.active_units' should be a mask of the latents")
        model = copy.deepcopy(state.average).eval()
        return state, (model, widest_layer(model), active)

    def _state_to_arrays(self, state, name):
        return saving.state_to_arrays(state, name)

    def _state_from_arrays(self, arrays, name, n_features):
        # before time and memory are taken for them
        saving.check_size(arrays, n_features, self._checked_sizes(), self.n_components)
        generator = torch.Generator().manual_seed(0)
        mean, std = torch.zeros(n_features), torch.ones(n_features)
        model = self._new_model(mean, std, generator)
        return saving.state_from_arrays(arrays, name, model)
