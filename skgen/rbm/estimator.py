"""BinaryRBM: the binary-binary restricted Boltzmann machine as an estimator."""

import copy
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np

from skgen.arrays import flattened
from skgen.rbm import enumeration, partition, rolling, saving
from skgen.rbm.energy import free_energy
from skgen.rbm.fitted import FittedRBM
from skgen.rbm.training import Settings, initial_state, train_epoch
from skgen.validation import (
    Interval,
    StrOptions,
    binarized,
    check_input,
    float_dtype,
    probabilities,
    row_blocks,
    rows_as_float,
)

_FEWEST_PARTICLES = 3  # effective, behind a standard error that can be believed
_TRUSTED_STD = 0.1  # nats of standard error of AIS that need no more temperatures
_UNITS_PER_EPOCH = 12  # enumerated after every epoch: 10 ms at 784 other units


class Scores(NamedTuple):
    """Mean log-likelihoods of the learning curve, their shared error, and mixing."""

    train_log_likelihood: float
    validation_log_likelihood: float
    log_partition_std: float
    swap_rate: float


class BinaryRBM(FittedRBM):
    """Binary-binary restricted Boltzmann machine with a true likelihood.

    P(x, h) = exp(a.x + b.h + x'Wh) / Z over visible units x in {0, 1}^n_features and
    hidden units h in {0, 1}^n_components, fitted by stochastic maximum likelihood.
    ``transform`` gives features, ``score_samples`` log-likelihoods in nats and
    ``sample`` new rows. The partition function Z is estimated while ``fit`` runs.

    The defaults were chosen on five data sets of 400 to 17,000 rows and 64 to 784
    features: digits and breast cancer of scikit-learn (binarised), 10,000 rows of
    MNIST, plants and pumsb_star. They serve features and images. For the likelihood of
    a table, ``negative_phase="tempered"``, at five to ten times the time: a Gibbs chain
    seldom leaves a cluster of the data or finds a mode of the model where there are no
    data, and neither does the estimate of log Z. `early_stopping` and more epochs pay
    (plants, 100 hidden: -12.43 nats after 50, -12.36 after 100), and so does a search
    over `n_components` and, for few rows, `weight_decay`.

    Parameters
    ----------
    n_components : int, default=256
        Number of hidden units.
    learning_rate : float, default=0.2
        Step size of the first epoch, on the mean gradient.
    learning_rate_schedule : {"linear", "constant"}, default="linear"
        "linear" falls to zero over `max_iter`. ``partial_fit``, which knows no end,
        always uses "constant".
    momentum : float, default=0.0
        In [0, 1).
    weight_decay : float, default=1e-4
        L2 penalty on the weights, not the biases.
    batch_size : int or "auto", default="auto"
        Rows per update, which are held densely; larger than n_samples means all rows.
        "auto" makes about 600 updates an epoch from 10 to 100 rows each.
    n_chains : int, default=None
        Persistent chains; None: as many as rows in a batch, at least 100. "cd" starts
        a chain at each row instead.
    n_gibbs_steps : int, default=1
        Gibbs steps per update.
    negative_phase : {"pcd", "cd", "tempered", "exact"}, default="pcd"
        Where the model's side of the gradient comes from: persistent chains, chains
        from the data, parallel tempering (each persistent chain at ten temperatures;
        where the `swap_rate` in ``history_`` is below a tenth they are too few), or
        enumeration (one of the layers with at most 20 units).
    centered : bool, default=True
        Use the centred gradient, with the mean of each unit as its offset.
    averaging : float, default=0.999
        Decay of the running average of the parameters, in [0, 1). Early on the average
        is over the last tenth of the updates. 0 returns the last iterate.
    binarize : float, None or "sample", default=0.5
        A threshold: x > threshold is 1 (``sample`` returns 0/1 all the same). None: X
        must hold only 0 and 1. "sample": X holds probabilities, from which a new binary
        sample is drawn every epoch; ``transform`` uses the probabilities, likelihoods
        demand 0/1.
    max_iter : int, default=50
        Epochs.
    early_stopping : bool, default=False
        Keep the epoch with the best likelihood of held-out rows, less two standard
        errors of log Z. After `n_iter_no_change` epochs that fall short of it even by
        the likelihood plus two standard errors, training goes back to it, passes
        through the rest of a "linear" schedule in as many epochs more, and stops.
        Epochs with fewer than three effective particles do not count.
    validation_fraction : float, default=0.1
        Rows held out when `early_stopping` is set and no `X_val` is given.
    n_iter_no_change : int, default=10
        Epochs without a gain of `tol` before stopping.
    tol : float, default=0.001
        Nats.
    partition_method : {"auto", "exact", "rolling", "ais"}, default="auto"
        Where ``log_partition_`` comes from: enumeration, annealed importance sampling
        along the path of training ("rolling") or after it. "exact" takes up to 25
        units in one of the layers, with a minute or two; "auto" is "exact" when a
        layer has at most 20 units; else "rolling" while ``fit`` runs and "ais" at its
        end. With a "tempered" negative phase, it is bridge sampling between the
        temperatures, unless "ais" at the end finds log Z to be larger by 3 nats, in a
        mode of the model that no chain has met. (``partial_fit`` is frequent, so there
        "auto" enumerates at most 12 units and never runs "ais".)
    warm_start : bool, default=False
        ``fit`` continues from the current parameters, chains and particles, whatever
        `n_chains` is now; enumeration goes on where it was used.
    verbose : int, default=0
        1: one line per epoch: epoch, time, log-likelihood of train and validation.
    random_state : int, RandomState instance or None, default=None
        None: fresh entropy; NumPy's global generator is never used.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        W transposed.
    intercept_visible_ : ndarray of shape (n_features,)
        a.
    intercept_hidden_ : ndarray of shape (n_components,)
        b.
    log_partition_ : float
        log Z, nats.
    log_partition_std_ : float
        Its standard error, nats; 0 when exact.
    n_iter_ : int
        Epochs the model has been trained for.
    history_ : numpy.recarray of shape (n_iter_,)
        The learning curve: epoch, seconds, train_log_likelihood (of at most 1,000
        training rows), validation_log_likelihood (nan without held-out rows) and
        log_partition_std, means in nats; swap_rate, the lowest acceptance of swaps
        between neighbouring temperatures (nan unless tempered).
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)

    Raises
    ------
    FloatingPointError
        From ``fit`` and ``partial_fit``, naming the epoch, when training diverges. A
        model that was going on from an earlier fit stays as it was.

    References
    ----------
    Smolensky, P. Information processing in dynamical systems: foundations of harmony
    theory. Parallel Distributed Processing 1, MIT Press, 1986.
    Tieleman, T. Training restricted Boltzmann machines using approximations to the
    likelihood gradient. ICML 2008.
    Salakhutdinov, R. and Murray, I. On the quantitative analysis of deep belief
    networks. ICML 2008.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skgen import BinaryRBM
    >>> X = load_digits().data / 16
    >>> rbm = BinaryRBM(n_components=16, random_state=0).fit(X)
    >>> rbm.transform(X).shape
    (1797, 16)
    >>> rbm.score(X) > -21  # nats per digit
    True
    >>> rbm.sample(3, random_state=1).shape
    (3, 64)
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "learning_rate_schedule": [StrOptions({"constant", "linear"})],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "batch_size": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "n_chains": [Interval(Integral, 1, None, closed="left"), None],
        "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
        "negative_phase": [StrOptions({"pcd", "cd", "tempered", "exact"})],
        "centered": ["boolean"],
        "averaging": [Interval(Real, 0, 1, closed="left")],
        "binarize": [
            Interval(Real, None, None, closed="neither"),
            StrOptions({"sample"}),
            None,
        ],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "partition_method": [StrOptions({"auto", "exact", "rolling", "ais"})],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    _updates_per_epoch = 600
    _scores = Scores

    def __init__(
        self,
        n_components=256,
        *,
        learning_rate=0.2,
        learning_rate_schedule="linear",
        momentum=0.0,
        weight_decay=1e-4,
        batch_size="auto",
        n_chains=None,
        n_gibbs_steps=1,
        negative_phase="pcd",
        centered=True,
        averaging=0.999,
        binarize=0.5,
        max_iter=50,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-3,
        partition_method="auto",
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.n_chains = n_chains
        self.n_gibbs_steps = n_gibbs_steps
        self.negative_phase = negative_phase
        self.centered = centered
        self.averaging = averaging
        self.binarize = binarize
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.partition_method = partition_method
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    def _training_rows(self, X, *, reset, warn=True):
        """X as uint8 0/1, or as probabilities to draw from, and the dtype it had."""
        X = check_input(self, X, reset=reset)
        if self._resamples():
            return probabilities(X), X.dtype
        return binarized(X, self.binarize, warn=warn), X.dtype

    def _resamples(self):
        return self.binarize == "sample"

    def _start(self, X, rng):
        n_samples, n_features = X.shape
        count = np.asarray(X.sum(axis=0, dtype=np.float64)).ravel()
        always_exact = self.partition_method in ("auto", "exact") and (
            min(n_features, self.n_components) <= _UNITS_PER_EPOCH
        )
        return initial_state(
            marginals=(count + 1) / (n_samples + 2),
            n_components=self.n_components,
            n_chains=self.n_chains or max(100, self._rows_per_update(n_samples)),
            with_belt=not always_exact,
            rng=rng,
        )

    def _epoch_of(self, X, batch_size, course):
        sizes = X.shape[1], self.n_components
        if self.negative_phase == "exact":
            enumeration.check_size(*sizes)
        if self.partition_method == "exact":
            enumeration.check_size(*sizes, enumeration.MAX_UNITS_SUMMED)
        settings = Settings(
            batch_size, *(getattr(self, name) for name in Settings._fields[1:])
        )
        return lambda state, rates, n_epochs: train_epoch(
            state, X, settings, rates, self._resamples()
        )

    def _evaluate(self, state, X, X_val):
        estimate, _ = self._running_log_partition(state)
        train_score, validation_score = (
            np.nan if rows is None else self._score(state.average, rows, estimate)
            for rows in (X, X_val)
        )
        tempered = self.negative_phase == "tempered" and state.ladder is not None
        swaps = state.ladder.swap_rates.min() if tempered else np.nan
        scores = Scores(train_score, validation_score, estimate.std_error, swaps)
        if estimate.effective_sample_size < _FEWEST_PARTICLES:
            return scores, (-np.inf, np.inf)
        margin = 2 * estimate.std_error
        return scores, (validation_score - margin, validation_score + margin)

    def _score(self, parameters, X, log_partition):
        """Mean log-likelihood of binary rows under parameters still in training."""
        total = 0.0
        for rows in row_blocks(X.shape[0], max(parameters.weights.shape)):
            block = rows_as_float(X, rows, np.float32)
            total -= free_energy(parameters, block).sum()
        return total / X.shape[0] - log_partition.value

    def _running_log_partition(self, state):
        """log Z as it is known at any moment, and particles at the model."""
        if state.belt is None:
            return partition.exact_log_partition(state.average), None
        if self._bridges(state):
            # as many sweeps as do not outlast an epoch of a small data set
            return self._bridged(state, int(np.clip(state.n_updates // 50, 20, 100)))
        particles = rolling.arrived(state.belt)
        estimate = partition.summarize(particles, state.base_bias, "rolling")
        return estimate, particles

    def _bridges(self, state):
        """Whether log Z comes from the ladder: one that training keeps up to date."""
        tempered = self.negative_phase == "tempered" and state.ladder is not None
        return tempered and self.partition_method == "auto"

    def _bridged(self, state, n_sweeps):
        ladder = copy.deepcopy(state.ladder)  # a sweep works in place
        estimate, ladder = partition.tempered_log_partition(
            state.average, state.base_bias, ladder, n_sweeps, state.rng
        )
        X = ladder.X[-1]
        return estimate, partition.Draws(X, np.zeros(len(X)))

    def _conclude(self, state, X, n_rows_seen, course):
        """With log Z as `partition_method` asks for, and particles at the model."""
        method = self.partition_method
        small = min(state.average.weights.shape) <= enumeration.MAX_UNITS
        if method == "exact" or (method == "auto" and course.whole and small):
            particles = None if state.belt is None else rolling.arrived(state.belt)
            model = partition.exact_log_partition(state.average), particles
        elif method == "rolling" or (not course.whole and method == "auto"):
            model = self._running_log_partition(state)
        elif self._bridges(state):
            bridged = self._bridged(state, n_sweeps=1000)
            annealed = self._annealed(state, n_rows_seen)
            # a mode that no chain has met: by Markov's inequality unbiased weights are
            # too large by that much in one case of twenty at most
            unmet = annealed[0].value > bridged[0].value + np.log(20)
            model = annealed if unmet else bridged
        else:
            model = self._annealed(state, n_rows_seen)
        return state, model

    def _conclude_for_now(self, state, X):
        return state, self._running_log_partition(state)

    def _annealed(self, state, n_rows_seen):
        """AIS at a fifth of the cost of training, and once more at four times that."""
        n_steps = int(np.clip(n_rows_seen // 2000, 100, 5000))
        for n_temperatures in (n_steps, 4 * n_steps):
            estimate, particles = partition.annealed_log_partition(
                state.average, state.base_bias, 500, n_temperatures, state.rng
            )
            if estimate.std_error <= _TRUSTED_STD:
                break
        return estimate, particles

    def _attributes(self, state, model, dtype):
        estimate, draws = model
        if draws is not None:  # of particles, no more than that
            draws = partition.Draws(draws.X, draws.log_weight)
        parameters = state.average.astype(float_dtype(dtype))
        return {
            "components_": parameters.weights.T,
            "intercept_visible_": parameters.visible_bias,
            "intercept_hidden_": parameters.hidden_bias,
            "log_partition_": estimate.value,
            "log_partition_std_": estimate.std_error,
            "_draws": draws,
        }

    def _to_arrays(self):
        return self._state_to_arrays(self._state, "state") | saving.model_to_arrays(
            self.log_partition_, self.log_partition_std_, self._draws
        )

    def _from_arrays(self, arrays, n_features):
        state = self._state_from_arrays(arrays, "state", n_features)
        return state, saving.model_from_arrays(arrays, n_features, self.n_components)

    def _state_to_arrays(self, state, name):
        return flattened(state, name)

    def _state_from_arrays(self, arrays, name, n_features):
        return saving.state_from_arrays(arrays, name, n_features, self.n_components)
