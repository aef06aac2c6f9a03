"""BinaryRBM: the binary-binary restricted Boltzmann machine as an estimator."""

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skgen import validation
from skgen.arrays import check_shape
from skgen.base import GenerativeEstimator
from skgen.rbm import energy, enumeration, imputation, partition, samplers
from skgen.rbm.annealing import Draws, resample, reverse_annealed_log_partition
from skgen.rbm.tempering import N_TEMPERATURES, new_ladder
from skgen.rbm.training import Settings, Trainer, initial_state
from skgen.validation import SHARED_CONSTRAINTS, Interval, StrOptions

_FEWEST_PARTICLES = 3  # effective, behind a standard error that can be believed
_UNITS_PER_EPOCH = 12  # enumerated after every epoch: 10 ms at 784 other units
_BURN_IN = 1000  # Gibbs steps from the chains of training, whose model was another
_STARTS = 500  # draws from the model that chains of missing entries start from


class Scores(NamedTuple):
    """Mean log-likelihoods of the learning curve, their shared error, and mixing."""

    train_log_likelihood: float
    validation_log_likelihood: float
    log_partition_std: float
    swap_rate: float


class Summary(NamedTuple):
    """What is known of a fitted model besides its state of training."""

    log_partition: float
    log_partition_std: float
    draws: Draws | None


class BinaryRBM(GenerativeEstimator):
    """Binary-binary restricted Boltzmann machine with a true likelihood.

    P(x, h) = exp(a.x + b.h + x'Wh) / Z over visible units x in {0, 1}^n_features and
    hidden units h in {0, 1}^n_components, fitted by stochastic maximum likelihood.
    ``transform`` gives features, ``score_samples`` log-likelihoods in nats and
    ``sample`` new rows. The partition function Z is estimated while ``fit`` runs.

    The defaults were chosen on five data sets of 400 to 17,000 rows and 64 to 784
    features: digits and breast cancer of scikit-learn (binarised), 10,000 rows of
    MNIST, plants and pumsb_star. They suit features and images. A Gibbs chain seldom
    leaves a cluster of the data, and seldom finds a mode of the model that holds no
    data. The estimate of log Z has the same weakness. For the likelihood of a table use
    ``negative_phase="tempered"``, which takes five to ten times as long. More epochs
    with `early_stopping` pay (plants, 100 hidden: -12.43 nats after 50, -12.36 after
    100). So does a search over `n_components` and, for few rows, `weight_decay`.

    Parameters
    ----------
    n_components : int, default=256
        Number of hidden units.
    learning_rate : float, default=0.2
        Step size of the first epoch, on the mean gradient.
    learning_rate_schedule : {"linear", "constant"}, default="linear"
        "linear" falls to zero over `max_iter`. ``partial_fit`` has no end in view and
        always uses "constant".
    momentum : float, default=0.0
        In [0, 1).
    weight_decay : float, default=1e-4
        L2 penalty on the weights, not the biases.
    batch_size : int or "auto", default="auto"
        Rows per update, held as a dense array; all rows if larger than n_samples.
        "auto" makes about 600 updates an epoch, from 10 to 100 rows each.
    n_chains : int, default=None
        Persistent chains; None: as many as rows in a batch, at least 100. "cd" has a
        chain for each row instead.
    n_gibbs_steps : int, default=1
        Gibbs steps per update.
    negative_phase : {"pcd", "cd", "tempered", "exact"}, default="pcd"
        How the model's side of the gradient is sampled: persistent chains ("pcd"),
        chains that start at the data ("cd"), parallel tempering with ten temperatures
        for each persistent chain ("tempered"), or enumeration of a layer with at most
        20 units ("exact"). If the `swap_rate` in ``history_`` is below a tenth, ten
        temperatures are too few.
    centered : bool, default=True
        Use the centred gradient: each unit's mean is its offset.
    averaging : float, default=0.999
        Decay of the running average of the parameters, in [0, 1). Early on the average
        is over the last tenth of the updates. 0 returns the last iterate.
    binarize : float, None or "sample", default=0.5
        A threshold: x > threshold is 1; ``sample`` returns 0 and 1 in any case. None: X
        must hold only 0 and 1. "sample": X holds probabilities, and every epoch draws a
        new binary sample from them; ``transform`` uses the probabilities, likelihoods
        need 0/1.
    max_iter : int, default=50
        Epochs.
    early_stopping : bool, default=False
        Keep the epoch with the best held-out likelihood less two standard errors of
        log Z. An epoch is without gain if its likelihood plus two standard errors is
        below that. After `n_iter_no_change` such epochs, training returns to the best
        epoch, finishes a "linear" decay in as many epochs, and stops. Epochs with fewer
        than three effective particles do not count.
    validation_fraction : float, default=0.1
        Rows held out when `early_stopping` is set and no `X_val` is given.
    n_iter_no_change : int, default=10
        Epochs without a gain of `tol` before stopping.
    tol : float, default=0.001
        Nats.
    partition_method : {"auto", "exact", "rolling", "ais"}, default="auto"
        Where ``log_partition_`` comes from: enumeration ("exact"), annealed importance
        sampling along the path of training ("rolling") or after it ("ais"). "exact"
        takes up to 25 units in one of the layers; 25 take a minute or two. "auto" is
        "exact" when a layer has at most 20 units. Otherwise it is "rolling" while
        ``fit`` runs and "ais" at its end. With a "tempered" negative phase, "auto" is
        bridge sampling between the temperatures, unless "ais" finds log Z to be larger
        by 3 nats, in a mode of the model that no chain has met. After ``partial_fit``,
        which is called often, "auto" enumerates at most 12 units and never runs "ais".
    warm_start : bool, default=False
        ``fit`` continues from the current parameters, chains and particles. A change of
        `n_chains` then has no effect, and log Z stays enumerated if it was.
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
        From ``fit`` and ``partial_fit``, naming the epoch, when training diverges. An
        estimator that was fitted before keeps its earlier model.

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

    _parameter_constraints = SHARED_CONSTRAINTS | {
        "learning_rate_schedule": [StrOptions({"constant", "linear"})],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "n_chains": [Interval(Integral, 1, None, closed="left"), None],
        "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
        "negative_phase": [StrOptions({"pcd", "cd", "tempered", "exact"})],
        "centered": ["boolean"],
        "partition_method": [StrOptions({"auto", "exact", "rolling", "ais"})],
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

    def transform(self, X):
        """Features: P(h_j = 1 | x) = sigmoid(b_j + x'W_:j).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            With ``binarize="sample"``, probabilities are used as they are.

        Returns
        -------
        ndarray of shape (n_samples, n_components)

        Examples
        --------
        >>> import numpy as np
        >>> from skgen import BinaryRBM
        >>> X = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
        >>> rbm = BinaryRBM(2, random_state=0).fit(X)
        >>> log_odds = X @ rbm.components_.T + rbm.intercept_hidden_
        >>> np.allclose(rbm.transform(X), 1 / (1 + np.exp(-log_odds)))
        True
        """
        return self._by_rows(energy.hidden_probability, X, as_probabilities=True)

    def inverse_transform(self, H):
        """P(x_i = 1 | h) = sigmoid(a_i + W_i:'h).

        Parameters
        ----------
        H : array-like of shape (n_samples, n_components)
            Hidden states, or probabilities in [0, 1].

        Returns
        -------
        ndarray of shape (n_samples, n_features)

        Examples
        --------
        >>> import numpy as np
        >>> from skgen import BinaryRBM
        >>> rbm = BinaryRBM(2, random_state=0).fit([[0, 1], [1, 0], [1, 1]])
        >>> H = np.array([[0, 1], [1, 1]])
        >>> log_odds = H @ rbm.components_ + rbm.intercept_visible_
        >>> np.allclose(rbm.inverse_transform(H), 1 / (1 + np.exp(-log_odds)))
        True
        """
        check_is_fitted(self)
        H = validation.check_hidden(self, H, self._n_features_out)
        return self._in_blocks(energy.visible_probability, H.dtype, H)

    def score_samples(self, X):
        """log P(x) = -F(x) - log Z.

        In a ``Pipeline`` x is the output of the step before the last.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats. All rows share the error of ``log_partition_``;
            ``log_partition_std_`` is its standard error.

        Examples
        --------
        >>> import numpy as np
        >>> from skgen import BinaryRBM
        >>> rbm = BinaryRBM(2, random_state=0).fit([[0, 1], [1, 0], [1, 1]])
        >>> X = [[0, 0], [0, 1], [1, 0], [1, 1]]
        >>> print(np.exp(rbm.score_samples(X)).sum().round(6))
        1.0
        """
        check_is_fitted(self)
        log_z = self.log_partition_
        return self._by_rows(lambda p, X: -energy.free_energy(p, X) - log_z, X)

    def free_energy(self, X):
        """F(x), with P(x) = exp(-F(x)) / Z.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats.

        Examples
        --------
        >>> import numpy as np
        >>> from skgen import BinaryRBM
        >>> rbm = BinaryRBM(2, random_state=0).fit([[0, 1], [1, 0], [1, 1]])
        >>> log_p = -rbm.free_energy([[0, 1]]) - rbm.log_partition_
        >>> np.allclose(log_p, rbm.score_samples([[0, 1]]))
        True
        """
        return self._by_rows(energy.free_energy, X)

    def energy(self, X, H):
        """E(x, h) = -(a.x + b.h + x'Wh).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        H : array-like of shape (n_samples, n_components)
            Hidden states; probabilities in [0, 1] give the expected energy.

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats.

        Examples
        --------
        The energy is linear in h.

        >>> import numpy as np
        >>> from skgen import BinaryRBM
        >>> rbm = BinaryRBM(2, random_state=0).fit([[0, 1], [1, 0], [1, 1]])
        >>> both = rbm.energy([[0, 1], [0, 1]], [[0, 0], [1, 1]])
        >>> np.allclose(rbm.energy([[0, 1]], [[0.5, 0.5]]), both.mean())
        True
        """
        check_is_fitted(self)
        H = validation.check_hidden(self, H, self._n_features_out)
        return self._by_rows(energy.energy, X, H=H)

    def log_joint(self, X, H):
        """log P(x, h) = -E(x, h) - log Z.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        H : array-like of shape (n_samples, n_components)
            Hidden states, 0/1.

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats.

        Examples
        --------
        >>> import numpy as np
        >>> from skgen import BinaryRBM
        >>> rbm = BinaryRBM(2, random_state=0).fit([[0, 1], [1, 0], [1, 1]])
        >>> H = [[0, 0], [0, 1], [1, 0], [1, 1]]
        >>> p = np.exp(rbm.log_joint([[0, 1]] * 4, H)).sum()
        >>> np.allclose(p, np.exp(rbm.score_samples([[0, 1]])))
        True
        """
        return -(self.energy(X, self._hidden_states(H)) + self.log_partition_)

    def score_hidden_samples(self, H):
        """log P(h), the marginal of the hidden layer.

        Parameters
        ----------
        H : array-like of shape (n_samples, n_components)
            Hidden states, 0/1.

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats.

        Examples
        --------
        >>> import numpy as np
        >>> from skgen import BinaryRBM
        >>> rbm = BinaryRBM(2, random_state=0).fit([[0, 1], [1, 0], [1, 1]])
        >>> H = [[0, 0], [0, 1], [1, 0], [1, 1]]
        >>> print(np.exp(rbm.score_hidden_samples(H)).sum().round(6))
        1.0
        """
        H = self._hidden_states(H)
        log_z = self.log_partition_
        return self._in_blocks(
            lambda p, H: -energy.hidden_free_energy(p, H) - log_z, H.dtype, H
        )

    def pseudo_log_likelihood(self, X):
        """sum_i log P(x_i | the other features), exact and deterministic.

        It needs no partition function, but takes n_features times as long as
        ``free_energy``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats.

        Examples
        --------
        With one feature there is nothing to condition on.

        >>> import numpy as np
        >>> from skgen import BinaryRBM
        >>> rbm = BinaryRBM(2, random_state=0).fit([[0], [1], [1]])
        >>> X = [[0], [1]]
        >>> np.allclose(rbm.pseudo_log_likelihood(X), rbm.score_samples(X))
        True
        """
        return self._by_rows(energy.pseudo_log_likelihood, X)

    def gibbs(self, X, n_steps=1, *, random_state=None):
        """X after n_steps of block Gibbs sampling.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Where the chains start.
        n_steps : int, default=1
        random_state : int, RandomState instance or None, default=None
            None: fresh entropy, so that repeated calls continue a chain. The same int
            in every call would repeat the same draws.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            0/1, in the dtype of the training data.

        Examples
        --------
        A step or two repairs a row that is no longer like the data.

        >>> import numpy as np
        >>> from skgen import BinaryRBM
        >>> X = np.repeat([[0, 0, 0, 0], [1, 1, 1, 1]], 100, axis=0)
        >>> rbm = BinaryRBM(2, random_state=0).fit(X)
        >>> rbm.gibbs([[1, 1, 1, 0], [0, 1, 0, 0]], n_steps=2, random_state=0)
        array([[1, 1, 1, 1],
               [0, 0, 0, 0]])
        """
        check_is_fitted(self)
        n_steps = validation.check_count(n_steps, "n_steps", 0)
        rng = validation.as_generator(random_state)
        X = self._by_rows(lambda p, X: samplers.gibbs(p, X, n_steps, rng), X)
        return X.astype(self._dtype_of_X)

    def sample(self, n_samples=1, *, n_gibbs_steps=None, random_state=None):
        """New rows from P(x).

        The draws are independent where one of the layers has at most 20 units.
        Otherwise the weighted particles behind ``log_partition_`` are resampled and
        moved on by Gibbs steps.

        Parameters
        ----------
        n_samples : int, default=1
        n_gibbs_steps : int, default=None
            Steps from the particles; None: 100. Exact draws need none.
        random_state : int, RandomState instance or None, default=None
            None: the estimator's own.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            0/1, in the dtype of the training data.

        Examples
        --------
        >>> import numpy as np
        >>> from skgen import BinaryRBM
        >>> X = np.repeat([[0, 0, 0], [1, 1, 1]], 100, axis=0)
        >>> BinaryRBM(2, random_state=0).fit(X).sample(4, random_state=1)
        array([[1, 1, 1],
               [1, 1, 1],
               [0, 0, 0],
               [1, 1, 1]])
        """
        check_is_fitted(self)
        n_samples = validation.check_count(n_samples, "n_samples", 1)
        n_steps = 100 if n_gibbs_steps is None else n_gibbs_steps
        n_steps = validation.check_count(n_steps, "n_gibbs_steps", 0)
        rng = self._generator(random_state)
        return self._drawn(n_samples, n_steps, rng).astype(self._dtype_of_X)

    def _drawn(self, n_samples, n_steps, rng):
        """Exact draws, or n_steps from the weighted particles, in float32."""
        parameters = self._parameters(np.float32)
        if min(parameters.weights.shape) <= enumeration.MAX_UNITS:
            return samplers.exact_samples(parameters, n_samples, rng)
        X = resample(self._summary.draws, n_samples, rng)
        for rows in validation.row_blocks(n_samples, max(self.components_.shape)):
            X[rows] = samplers.gibbs(parameters, X[rows], n_steps, rng)
        return X

    def impute(self, X, *, n_gibbs_steps=100, return_mean=False, random_state=None):
        """X with draws from P(missing | observed) for its missing entries.

        Gibbs chains hold the observed entries fixed. They start from draws of the
        model, chosen in proportion to the probability they give to the observed
        entries.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Dense; NaN is a missing entry.
        n_gibbs_steps : int, default=100
            Of each chain. Ten times as many lower the error on digits by under 1 %.
        return_mean : bool, default=False
            Fill in E[x_i | observed] instead, from the second half of five chains.
        random_state : int, RandomState instance or None, default=None
            None: the estimator's own.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Floating-point; observed entries as they are, 0/1 or a mean for each NaN.

        Examples
        --------
        >>> import numpy as np
        >>> from skgen import BinaryRBM
        >>> X = np.repeat([[0, 0, 0], [1, 1, 1]], 100, axis=0)
        >>> rbm = BinaryRBM(2, random_state=0).fit(X)
        >>> rbm.impute([[1, np.nan, 1], [0, 0, np.nan]])
        array([[1., 1., 1.],
               [0., 0., 0.]])
        """
        check_is_fitted(self)
        n_steps = validation.check_count(n_gibbs_steps, "n_gibbs_steps", 1)
        validation.check_fills_in(self.binarize)
        X, missing = validation.with_missing(self, X)
        states = validation.binarized(np.where(missing, 0, X), self.binarize)
        incomplete = np.flatnonzero(missing.any(axis=1))
        if incomplete.size == 0:
            return X
        rng = self._generator(random_state)
        parameters = self._parameters(np.float32)
        starts = samplers.sample_hidden(parameters, self._drawn(_STARTS, 0, rng), rng)
        fill_in = imputation.conditional
        if return_mean:
            fill_in = imputation.conditional_means
        width = imputation.N_CHAINS * max(*self.components_.shape, _STARTS)
        for block in validation.row_blocks(incomplete.size, width):
            rows = incomplete[block]
            part = validation.rows_as_float(states, rows, np.float32), missing[rows]
            values = fill_in(parameters, *part, starts, n_steps, rng)
            X[rows] = np.where(missing[rows], values, X[rows])
        return X

    def estimate_log_partition(
        self, method="ais", *, n_chains=100, n_temperatures=1000, random_state=None
    ):
        """An estimate of log Z apart from ``log_partition_``, which stays as it is.

        Parameters
        ----------
        method : {"ais", "reverse_ais", "exact"}, default="ais"
            "ais": annealed importance sampling from a product of marginals. On average
            its log Z is too small and likelihoods are optimistic. "reverse_ais": the
            same from draws of the model. On average it is pessimistic, if the draws are
            in all modes of the model. "exact": enumeration of a layer with at most 25
            units.
        n_chains : int, default=100
            Independent particles of AIS.
        n_temperatures : int, default=1000
            Steps of AIS.
        random_state : int, RandomState instance or None, default=None
            None: the estimator's own.

        Returns
        -------
        LogPartition
            value and std_error in nats, effective_sample_size, method.

        Raises
        ------
        ValueError
            If the method is unknown, or "exact" and the model too large.

        Notes
        -----
        "reverse_ais" starts from exact draws where a layer has at most 20 units.
        Otherwise it starts from the chains of training, moved on by 1,000 Gibbs steps
        (after "cd" and "exact", from the product of the marginals). A mode that the
        chains have not met is missing from "reverse_ais". If a few particles of "ais"
        meet it, the log Z of "ais" is larger and its effective sample size is small:
        then believe "ais". Agreement of the two proves little where both miss a mode.

        Examples
        --------
        >>> import numpy as np
        >>> from skgen import BinaryRBM
        >>> X = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
        >>> rbm = BinaryRBM(2, random_state=0).fit(X)
        >>> rbm.estimate_log_partition("exact").value == rbm.log_partition_
        True
        """
        check_is_fitted(self)
        if method == "exact":
            return partition.exact_log_partition(self._parameters(np.float64))
        n_chains = validation.check_count(n_chains, "n_chains", 1)
        n_temperatures = validation.check_count(n_temperatures, "n_temperatures", 1)
        rng = self._generator(random_state)
        model = self._parameters(np.float32), self._state.base_bias
        if method == "ais":
            sizes = n_chains, n_temperatures
            return partition.annealed_log_partition(*model, *sizes, rng)[0]
        if method == "reverse_ais":
            X = self._draws_apart_from_ais(model[0], n_chains, rng)
            return reverse_annealed_log_partition(*model, X, n_temperatures, rng)
        raise ValueError(
            f"method must be 'ais', 'reverse_ais' or 'exact', got {method!r}."
        )

    def _draws_apart_from_ais(self, parameters, n_samples, rng):
        """Draws from the model that do not come from its annealed particles."""
        if min(parameters.weights.shape) <= enumeration.MAX_UNITS:
            return samplers.exact_samples(parameters, n_samples, rng)
        chains = self._state.chains
        H = chains[np.arange(n_samples) % len(chains)]
        X = samplers.sample_visible(parameters, H, rng)
        return samplers.gibbs(parameters, X, _BURN_IN, rng)

    def _parameters(self, dtype):
        return energy.RBMParameters(
            self.components_.T, self.intercept_visible_, self.intercept_hidden_
        ).astype(dtype)

    def _hidden_states(self, H):
        check_is_fitted(self)
        H = validation.check_hidden(self, H, self._n_features_out)
        validation.binary(H, "a probability has no log-probability, draw states", "H")
        return H

    def _by_rows(self, function, X, *, H=None, as_probabilities=False):
        """function(parameters, rows of X and of H), for a checked and binarised X."""
        check_is_fitted(self)
        X = validation.check_input(self, X)
        dtype = validation.float_dtype(X.dtype)
        if as_probabilities and self.binarize == "sample":
            X = validation.probabilities(X)
        else:
            X = validation.binarized(X, self.binarize)
        if H is None:
            return self._in_blocks(function, dtype, X)
        if len(H) != X.shape[0]:
            raise ValueError(
                f"X and H must have as many rows as each other, got {X.shape[0]} and "
                f"{len(H)}."
            )
        return self._in_blocks(function, dtype, X, H)

    def _in_blocks(self, function, dtype, *arrays):
        parameters, width = self._parameters(dtype), max(self.components_.shape)
        results = []
        for rows in validation.row_blocks(arrays[0].shape[0], width):
            parts = (validation.rows_as_float(array, rows, dtype) for array in arrays)
            results.append(function(parameters, *parts))
        return np.concatenate(results).astype(dtype, copy=False)

    def _training_rows(self, X, *, reset, warn=True):
        """X as uint8 0/1, or as probabilities to draw from, and the dtype it had."""
        X = validation.check_input(self, X, reset=reset)
        if self._draws_rows():
            return validation.probabilities(X), X.dtype
        return validation.binarized(X, self.binarize, warn=warn), X.dtype

    def _initial_state(self, X, rng):
        n_samples, n_features = X.shape
        count = np.asarray(X.sum(axis=0, dtype=np.float64)).ravel()
        always_exact = self.partition_method in ("auto", "exact") and (
            min(n_features, self.n_components) <= _UNITS_PER_EPOCH
        )
        return initial_state(
            marginals=(count + 1) / (n_samples + 2),
            n_components=self.n_components,
            n_chains=self.n_chains or max(100, self._rows_per_update(n_samples)),
            with_rolling=not always_exact,
            rng=rng,
        )

    def _trainer(self, X, run):
        sizes = X.shape[1], self.n_components
        if self.negative_phase == "exact":
            enumeration.check_size(*sizes)
        if self.partition_method == "exact":
            enumeration.check_size(*sizes, enumeration.MAX_UNITS_SUMMED)
        settings = Settings(
            self._rows_per_update(X.shape[0]),
            *(getattr(self, name) for name in Settings._fields[1:]),
        )
        return Trainer(X, settings, self._draws_rows())

    def _train_epoch(self, trainer, run):
        rates = run.learning_rates(self.learning_rate, trainer.n_updates)
        return trainer.epoch(run.state, rates)

    def _evaluate(self, state, X, X_val):
        estimate, _ = self._running_estimate(state)
        train_score, validation_score = (
            np.nan if rows is None else self._mean_score(state.average, rows, estimate)
            for rows in (X, X_val)
        )
        tempered = self.negative_phase == "tempered" and state.ladder is not None
        swaps = state.ladder.swap_rates.min() if tempered else np.nan
        scores = Scores(train_score, validation_score, estimate.std_error, swaps)
        if estimate.effective_sample_size < _FEWEST_PARTICLES:
            return scores, (-np.inf, np.inf)
        margin = 2 * estimate.std_error
        return scores, (validation_score - margin, validation_score + margin)

    def _mean_score(self, parameters, X, log_partition):
        """Mean log-likelihood of binary rows under parameters still in training."""
        total = 0.0
        for rows in validation.row_blocks(X.shape[0], max(parameters.weights.shape)):
            block = validation.rows_as_float(X, rows, np.float32)
            total -= energy.free_energy(parameters, block).sum()
        return total / X.shape[0] - log_partition.value

    def _running_estimate(self, state):
        return partition.running_estimate(
            state, self.partition_method, self.negative_phase
        )

    def _conclude(self, state, X, run, *, for_snapshot=False):
        if for_snapshot:
            estimate, draws = self._running_estimate(state)
        else:
            estimate, draws = partition.final_estimate(
                state,
                self.partition_method,
                self.negative_phase,
                is_fit=run.is_fit,
                n_rows_seen=X.shape[0] * len(run.history),
            )
        return state, Summary(estimate.value, estimate.std_error, draws)

    def _attributes(self, state, summary, dtype):
        if not np.isfinite(summary.log_partition) or summary.log_partition_std < 0:
            raise ValueError(f"{summary.log_partition} is no estimate of log Z")
        parameters = state.average.astype(validation.float_dtype(dtype))
        return {
            "components_": parameters.weights.T,
            "intercept_visible_": parameters.visible_bias,
            "intercept_hidden_": parameters.hidden_bias,
            "log_partition_": summary.log_partition,
            "log_partition_std_": summary.log_partition_std,
        }

    def _template(self, arrays, n_features):
        sizes = n_features, self.n_components
        check_shape(arrays, "state.parameters.weights", sizes)
        n_chains, _ = check_shape(arrays, "state.chains", (None, self.n_components))
        state = initial_state(
            np.full(n_features, 0.5),
            self.n_components,
            n_chains,
            with_rolling="state.rolling.n_moves" in arrays,
            rng=validation.as_generator(0),
        )
        if "state.ladder.X" in arrays:
            shape = N_TEMPERATURES, n_chains, n_features
            check_shape(arrays, "state.ladder.X", shape)
            state = state._replace(ladder=new_ladder(np.zeros(shape[1:], np.float32)))
        if state.rolling is not None:
            _check_some_at_model(arrays)
        draws = None
        if "summary.draws.X" in arrays:
            shape = check_shape(arrays, "summary.draws.X", (None, n_features))
            draws = Draws(np.zeros(shape, np.float32), np.zeros(shape[0]))
        elif min(sizes) > enumeration.MAX_UNITS:
            raise ValueError("the array 'summary.draws.X' is missing")
        return state, Summary(0.0, 0.0, draws)

    @property
    def _n_features_out(self):
        return self.components_.shape[0]


def _check_some_at_model(arrays):
    """Raise ValueError unless a rolling particle of a file has reached the model."""
    stage, n_stages = (arrays[f"state.rolling.{f}"] for f in ("stage", "n_stages"))
    if stage.shape != n_stages.shape or n_stages.min() < 1 or np.all(stage < n_stages):
        raise ValueError("no particle of 'state.rolling' has reached the model")
