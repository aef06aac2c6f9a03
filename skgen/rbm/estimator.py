"""BinaryRBM: the binary-binary restricted Boltzmann machine as an estimator."""

import copy
import warnings
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from skgen import validation
from skgen.arrays import check_shape
from skgen.base import GenerativeEstimator
from skgen.rbm import energy, enumeration, imputation, partition, samplers
from skgen.rbm.annealing import LogPartition, reverse_annealed_log_partition
from skgen.rbm.mixture import fit_mixture, new_mixture, relax
from skgen.rbm.rows import (
    MOST_ROWS,
    distinct_bound,
    lower_bound,
    no_rows,
    observe,
    unpacked,
)
from skgen.rbm.tempering import N_TEMPERATURES, new_ladder
from skgen.rbm.training import (
    Settings,
    Trainer,
    followed,
    initial_state,
    largest_variance,
)
from skgen.sources import by_blocks
from skgen.typing import Data, RandomState, Result
from skgen.validation import (
    SHARED_CONSTRAINTS,
    Interval,
    StrOptions,
    rows_as_float,
)
from skgen.views import View

_FEWEST_PARTICLES = 3  # effective, behind a standard error that can be believed
_ROWS_PER_SNAPSHOT = 1000  # behind the lower bound of log Z
_IN_DOUBT = (
    "log Z lies between {0.low:.1f} and {0.high:.1f} nats: log-likelihoods may be off "
    "by more than a nat. Use a smaller learning_rate or negative_phase='tempered', or "
    "look at estimate_log_partition('bracket') with more n_temperatures."
)
_REFUTED = (
    "log Z by {0.method} was below {0.lower_bound:.1f} nats, which is certain from the "
    "rows, and is set to that: log-likelihoods are too large. Use "
    "partition_method='auto'."
)
_UNKNOWN = LogPartition(np.nan, np.nan, 0.0, "")
_AIS_SIZES = 500, 1000  # particles and temperatures, where "ais" is asked for
# The largest step that follows the data: curvature grows with the largest variance of
# the rows along any direction. On pumsb_star (a variance of 8) twice as large a step
# leaves modes of the model that no chain has met.
_LARGEST_RATE, _STABLE_RATE = 0.2, 0.8
_MOST_HALVINGS = 4
_UNITS_PER_EPOCH = 12  # enumerated after every epoch: 10 ms at 784 other units
_BURN_IN = 1000  # Gibbs steps from the chains of training, whose model was another
_STARTS = 500  # draws from the model that chains of missing entries start from


class Scores(NamedTuple):
    """Mean log-likelihoods of the learning curve, their shared error, and mixing."""

    train_log_likelihood: float
    validation_log_likelihood: float
    log_partition_std: float
    swap_rate: float
    free_energy_gap: float


class Summary(NamedTuple):
    """What is known of a fitted model besides its state of training."""

    lower_bound: float | None
    """Like what follows, None until it is asked for."""
    log_partition: float | None
    log_partition_std: float | None


class BinaryRBM(GenerativeEstimator):
    """Binary-binary restricted Boltzmann machine with a true likelihood.

    P(x, h) = exp(a.x + b.h + x'Wh) / Z over visible units x in {0, 1}^n_features and
    hidden units h in {0, 1}^n_components, fitted by stochastic maximum likelihood.
    ``transform`` gives features, ``score_samples`` log-likelihoods in nats and
    ``sample`` new rows. The partition function Z is estimated when it is asked for.

    The defaults were chosen on five data sets of 400 to 17,000 rows and 64 to 784
    features: digits and breast cancer of scikit-learn (binarised), 10,000 rows of
    MNIST, plants and pumsb_star. They suit features, images and
    tables with clusters: chains jump between clusters to draws of a mixture that is
    fitted to the rows first. Where ``free_energy_gap`` in ``history_`` stays above a
    nat, or log Z is said to be in doubt, use a smaller `learning_rate` or
    ``negative_phase="tempered"``, which takes five to ten times as long. More epochs
    with `early_stopping` pay. So does a search over `n_components` and, for few rows,
    `weight_decay`. A fitted model holds up to 2,000 of its training rows.

    Parameters
    ----------
    n_components : int, default=256
        Number of hidden units.
    learning_rate : float or "auto", default="auto"
        Step size of the first epoch, on the mean gradient. "auto" is 0.2, or less for
        wide rows and large clusters: 0.8 over the largest variance of the rows along
        any direction. It allows for `momentum`. An epoch that diverges is repeated at
        half the rate, with a warning.
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
        How the model's side of the gradient is sampled: persistent chains that now and
        then jump to another cluster of the data ("pcd"),
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
        new binary sample from them. ``transform`` uses the probabilities. All else,
        such as ``score_samples``, ``free_energy`` and ``impute``, is of one binary draw
        of each row, which never changes: it follows from the row alone.
    max_iter : int, default=50
        Epochs.
    max_time : float, default=None
        Seconds that ``fit`` takes at most, beyond its first epoch. The schedule of the
        learning rate ends then. How many epochs fit in depends on the machine.
    early_stopping : bool, default=False
        Keep the epoch with the best held-out likelihood less two standard errors of
        log Z. An epoch is without gain if its likelihood plus two standard errors is
        below that. After `n_iter_no_change` such epochs, training returns to the best
        epoch, finishes a "linear" decay in as many epochs, and stops. Epochs with fewer
        than three effective particles do not count.
    validation_fraction : float, default=0.1
        Rows held out when `early_stopping` is set and no `X_val` is given.
    n_iter_no_change : int, default=10
        Training stops after so many epochs that gain less than `tol` together.
    tol : float, default=0.001
        Nats.
    partition_method : {"auto", "exact", "rolling", "ais"}, default="auto"
        Where ``log_partition_`` comes from: enumeration ("exact"), annealed importance
        sampling along the path of training ("rolling") or after it ("ais"). "exact"
        takes up to 25 units in one of the layers; 25 take a minute or two. "auto" is
        "exact" when a layer has at most 20 units, and otherwise annealing from both
        ends, from a mixture fitted to the rows and from chains and rows. A
        ConvergenceWarning says where this cannot vouch for log Z to within a nat.
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
        log Z, nats. It is computed at its first use, and then kept.
    log_partition_std_ : float
        Its standard error, nats; 0 when exact.
    log_partition_lower_bound_ : float
        log of the sum of exp(-F(x)) over the distinct rows of the data, nats: log Z is
        at least as large. After ``partial_fit``, over a sample of 2,000 of all rows
        seen, together with the rows of the call if these are more than 2,000.
    n_iter_ : int
        Epochs the model has been trained for.
    history_ : numpy.recarray of length n_iter
        The learning curve: epoch, seconds, train_log_likelihood (of at most 1,000
        training rows), validation_log_likelihood (nan without held-out rows) and
        log_partition_std, means in nats; swap_rate, the lowest acceptance of swaps
        between neighbouring temperatures (nan unless tempered); free_energy_gap, the
        mean free energy of the chains less that of training rows, nats (nan without
        persistent chains). Log-likelihoods are followed with `early_stopping`, `X_val`,
        `verbose`, ``partition_method="rolling"`` or at most 12 units in a layer, else
        nan.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)

    Raises
    ------
    FloatingPointError
        From ``fit`` and ``partial_fit``, naming the epoch, when training diverges even
        at a sixteenth of the rate. An estimator that was fitted before keeps its
        earlier model.

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

    components_: np.ndarray
    intercept_visible_: np.ndarray
    intercept_hidden_: np.ndarray

    _parameter_constraints = SHARED_CONSTRAINTS | {
        "learning_rate": [StrOptions({"auto"}), *SHARED_CONSTRAINTS["learning_rate"]],
        "learning_rate_schedule": [StrOptions({"constant", "linear"})],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "n_chains": [Interval(Integral, 1, None, closed="left"), None],
        "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
        "negative_phase": [StrOptions({"pcd", "cd", "tempered", "exact"})],
        "centered": ["boolean"],
        "partition_method": [StrOptions({"auto", "exact", "rolling", "ais"})],
    }

    _scores = Scores
    _training_parts = ("parameters", "velocity")

    def __init__(
        self,
        n_components: int = 256,
        *,
        learning_rate: float | Literal["auto"] = "auto",
        learning_rate_schedule: str = "linear",
        momentum: float = 0.0,
        weight_decay: float = 1e-4,
        batch_size: int | Literal["auto"] = "auto",
        n_chains: int | None = None,
        n_gibbs_steps: int = 1,
        negative_phase: str = "pcd",
        centered: bool = True,
        averaging: float = 0.999,
        binarize: float | Literal["sample"] | None = 0.5,
        max_iter: int = 50,
        max_time: float | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-3,
        partition_method: str = "auto",
        warm_start: bool = False,
        verbose: int = 0,
        random_state: RandomState = None,
    ) -> None:
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
        self.max_time = max_time
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.partition_method = partition_method
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @by_blocks
    def transform(self, X: Data) -> Result:
        """Features: ``P(h_j = 1 | x) = sigmoid(b_j + x'W_:j)``.

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

    def inverse_transform(self, X: Data) -> np.ndarray:
        """``P(x_i = 1 | h) = sigmoid(a_i + W_i:'h)``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Each row is an h: hidden states, or probabilities in [0, 1].

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
        H = validation.check_hidden(self, X, self._n_features_out, "X")
        return self._in_blocks(energy.visible_probability, H.dtype, H)

    @by_blocks
    def score_samples(self, X: Data) -> Result:
        """log P(x) = -F(x) - log Z.

        In a ``Pipeline`` x is the output of the step before the last.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            With ``binarize="sample"`` x is one draw from the probabilities of a row.
            The mean of many rows estimates that of all draws.

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

    def free_energy(self, X: Data) -> np.ndarray:
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

    def energy(self, X: Data, H: Data) -> np.ndarray:
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

    def log_joint(self, X: Data, H: Data) -> np.ndarray:
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

    def score_hidden_samples(self, H: Data) -> np.ndarray:
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
        states = self._hidden_states(H)
        log_z = self.log_partition_
        return self._in_blocks(
            lambda p, H: -energy.hidden_free_energy(p, H) - log_z, states.dtype, states
        )

    def pseudo_log_likelihood(self, X: Data) -> np.ndarray:
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

    def gibbs(
        self, X: Data, n_steps: int = 1, *, random_state: RandomState = None
    ) -> np.ndarray:
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
        states = self._by_rows(lambda p, X: samplers.gibbs(p, X, n_steps, rng), X)
        return states.astype(self._dtype_of_X)

    def sample(
        self,
        n_samples: int = 1,
        *,
        given: Mapping[Any, Any] | Data | None = None,
        n_gibbs_steps: int | None = None,
        random_state: RandomState = None,
    ) -> Result:
        """New rows from P(x).

        The draws are independent where one of the layers has at most 20 units.
        Otherwise they are states of Gibbs chains that now and then jump to draws of a
        mixture. The chains start at the chains of training and at rows of the data.

        Parameters
        ----------
        n_samples : int, default=1
        given : dict, data frame or array-like, default=None
            Draw from P(rest | given) instead, as ``impute`` does: a dict of column ->
            value holds for all rows. A frame of some of the columns, or an array with
            NaN where nothing is given, has a row for each sample.
        n_gibbs_steps : int, default=None
            Steps of each chain after its first; None: 100. Exact draws need none.
        random_state : int, RandomState instance or None, default=None
            None: the estimator's own.

        Returns
        -------
        ndarray or data frame of shape (n_samples, n_features)
            0/1, in the dtypes of the training data.

        Examples
        --------
        >>> import numpy as np
        >>> from skgen import BinaryRBM
        >>> X = np.repeat([[0, 0, 0], [1, 1, 1]], 100, axis=0)
        >>> BinaryRBM(2, random_state=0).fit(X).sample(4, random_state=1)
        array([[1, 1, 1],
               [0, 0, 0],
               [1, 1, 1],
               [0, 0, 0]])
        """
        check_is_fitted(self)
        n_samples = validation.check_count(n_samples, "n_samples", 1)
        n_steps = 100 if n_gibbs_steps is None else n_gibbs_steps
        n_steps = validation.check_count(n_steps, "n_gibbs_steps", 0)
        rng = self._generator(random_state)
        if given is None:
            X = self._drawn(n_samples, n_steps, rng)
        else:
            X = self._filled(self._conditions(given, n_samples), n_steps or 1, rng)
        return self._as_given(X.astype(self._dtype_of_X))

    def _drawn(self, n_samples, n_steps, rng):
        """Exact draws, or n_steps from states of chains and seen rows, in float32."""
        parameters = self._parameters(np.float32)
        if min(parameters.weights.shape) <= enumeration.MAX_UNITS:
            cumulative = self._cumulative_weights(parameters)
            return samplers.exact_samples(parameters, n_samples, rng, cumulative)
        X = unpacked(self._state.seen, self.n_features_in_)
        if self._keeps_chains():
            chains = samplers.sample_visible(parameters, self._state.chains, rng)
            X = np.concatenate([chains, X])
        X = X[np.resize(rng.permutation(len(X)), n_samples)]
        for rows in validation.row_blocks(n_samples, max(self.components_.shape)):
            relax(parameters, self._state.base, X[rows], n_steps + 1, rng)
        return X

    def _cumulative_weights(self, parameters):
        """Weights of all states of the smaller layer, kept until the model changes."""
        before, weights = self.__dict__.get("_enumerated", (None, None))
        if before is None or not all(map(np.array_equal, before, parameters)):
            weights = samplers.cumulative_weights(parameters)
            self._enumerated = parameters, weights
        return weights

    def __getstate__(self):
        """Without what is enumerated again when needed."""
        state = super().__getstate__()
        return {name: state[name] for name in state if name != "_enumerated"}

    def _with_training_parts(self, state):
        parameters = copy.deepcopy(state.average)
        velocity = energy.RBMParameters(*map(np.zeros_like, parameters))
        return state._replace(parameters=parameters, velocity=velocity)

    def _keeps_chains(self):
        return self.negative_phase in ("pcd", "tempered")

    def impute(
        self,
        X: Data,
        *,
        n_gibbs_steps: int = 100,
        return_mean: bool = False,
        random_state: RandomState = None,
    ) -> Result:
        """X with draws from P(missing | observed) for its missing entries.

        Gibbs chains hold the observed entries fixed. They start from draws of the
        model, chosen in proportion to the probability they give to the observed
        entries.

        Parameters
        ----------
        X : array-like or data frame of shape (n_samples, n_features)
            Dense; NaN is a missing entry.
        n_gibbs_steps : int, default=100
            Of each chain. Ten times as many lower the error on digits by under 1 %.
        return_mean : bool, default=False
            Fill in E[x_i | observed] instead, from the second half of five chains.
        random_state : int, RandomState instance or None, default=None
            None: the estimator's own.

        Returns
        -------
        ndarray or data frame of shape (n_samples, n_features)
            Observed entries as they are, 0/1 or a mean for each NaN. An array is
            floating-point. A frame has the dtypes of the training data, or float64 with
            `return_mean`.

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
        rng, values = self._generator(random_state), validation.with_missing(self, X)
        values = self._filled(values, n_steps, rng, return_mean)
        return self._as_given(values, X, means=return_mean)

    def _filled(self, X, n_steps, rng, return_mean=False):
        """X with draws or means in place of NaN, which is written over."""
        validation.check_fills_in(X, self.binarize, self._columns)
        incomplete = validation.rows_with_gaps(X)
        if incomplete.size == 0:
            return X
        parameters = self._parameters(np.float32)
        starts = samplers.sample_hidden(parameters, self._drawn(_STARTS, 0, rng), rng)
        fill_in = imputation.conditional
        if return_mean:
            fill_in = imputation.conditional_means
        width = imputation.N_CHAINS * max(*self.components_.shape, _STARTS)
        for block in validation.row_blocks(incomplete.size, width):
            part = X[incomplete[block]]
            missing = np.isnan(part)
            states = validation.binarized(np.where(missing, 0, part), self.binarize)
            states = rows_as_float(states, slice(None), np.float32)
            values = fill_in(parameters, states, missing, starts, n_steps, rng)
            X[incomplete[block]] = np.where(missing, values, part)
        return X

    @overload
    def estimate_log_partition(
        self,
        method: Literal["bracket"],
        *,
        n_chains: int = 100,
        n_temperatures: int = 1000,
        random_state: RandomState = None,
    ) -> partition.Bracket: ...

    @overload
    def estimate_log_partition(
        self,
        method: str = "ais",
        *,
        n_chains: int = 100,
        n_temperatures: int = 1000,
        random_state: RandomState = None,
    ) -> LogPartition | partition.Bracket: ...

    def estimate_log_partition(
        self,
        method: str = "ais",
        *,
        n_chains: int = 100,
        n_temperatures: int = 1000,
        random_state: RandomState = None,
    ) -> LogPartition | partition.Bracket:
        """An estimate of log Z apart from ``log_partition_``, which stays as it is.

        Parameters
        ----------
        method : {"ais", "reverse_ais", "bracket", "exact"}, default="ais"
            "ais": annealed importance sampling from a mixture fitted to the rows. On
            average its log Z is too small and likelihoods are optimistic.
            "reverse_ais": the same from draws of the model. On average it is
            pessimistic, if the draws are in all modes of the model. "bracket": both,
            joined by Bennett's equation, with an interval and a verdict. "exact":
            enumeration of a layer with at most 25 units.
        n_chains : int, default=100
            Independent particles of AIS.
        n_temperatures : int, default=1000
            Steps of AIS.
        random_state : int, RandomState instance or None, default=None
            None: the estimator's own.

        Returns
        -------
        LogPartition or Bracket
            value and std_error in nats, effective_sample_size, method, lower_bound; of
            a bracket also low, high and reliable.

        Raises
        ------
        ValueError
            If the method is unknown, or "exact" and the model too large.

        Notes
        -----
        "reverse_ais" and "bracket" start from the chains of training ("pcd" and
        "tempered" keep them) and from rows of the data, both moved on by 100 Gibbs
        steps. The interval of a bracket holds Bennett's estimates, from all starts and
        from those of each source, with three standard errors to spare. It reaches to
        "ais" where that is larger and to "reverse_ais" where that is smaller, which
        theory makes unlikely. `reliable` says whether it vouches for `value` to within
        a nat. No value is below ``log_partition_lower_bound_``, save that of
        "reverse_ais".

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
        model = self._parameters(np.float32), self._state.base
        state = self._state
        if method == "ais":
            sizes = n_chains, n_temperatures
            estimate, _ = partition.annealed_log_partition(*model, *sizes, rng)
            return partition.bounded(estimate, self.log_partition_lower_bound_)
        starts = partition.near_equilibrium(state, self._keeps_chains(), n_chains, rng)
        if method == "reverse_ais":
            X = np.concatenate(starts)
            return reverse_annealed_log_partition(*model, X, n_temperatures, rng)
        if method == "bracket":
            bound = self.log_partition_lower_bound_
            return partition.bracket(*model, starts, bound, n_temperatures, rng)
        raise ValueError(
            f"method must be 'ais', 'reverse_ais', 'bracket' or 'exact', got "
            f"{method!r}."
        )

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
            X = validation.probabilities(X, columns=self._columns)
        else:
            X = validation.binarized(X, self.binarize, columns=self._columns)
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
        blocks = validation.row_blocks(arrays[0].shape[0], width)
        results = (
            function(parameters, *(rows_as_float(a, rows, dtype) for a in arrays))
            for rows in blocks
        )
        return validation.joined(results, arrays[0].shape[0], dtype)

    def _training_rows(self, X, table, *, reset, name="X"):
        """X as uint8 0/1, or as probabilities to draw from, and the dtype it had."""
        X = validation.check_input(self, X, reset=reset, name=name)
        if self._draws_rows():
            return validation.probabilities(X, name, columns=self._columns), X.dtype
        warn, names = name == "X", {"name": name, "columns": self._columns}
        return validation.binarized(X, self.binarize, warn=warn, **names), X.dtype

    def _initial_state(self, X, every, table, rng):
        n_samples = X.shape[0]
        count = np.asarray(X.sum(axis=0, dtype=np.float64)).ravel()
        marginals = (count + 1) / (n_samples + 2)
        return initial_state(
            marginals,
            fit_mixture(X, marginals, rng),
            n_components=self.n_components,
            n_chains=self.n_chains or max(100, self._rows_per_update(every.shape[0])),
            rng=rng,
        )

    def _mean_and_deviation(self, state):
        mean = state.offsets.visible
        return mean, np.sqrt(mean * (1 - mean))

    @staticmethod
    def _suitable_batch(n_samples):
        return min(max(n_samples // 600, 10), 100)

    def _trainer(self, X, weights, run):
        sizes = X.shape[1], self.n_components
        if self.negative_phase == "exact":
            enumeration.check_size(*sizes)
        if self.partition_method == "exact":
            enumeration.check_size(*sizes, enumeration.MAX_UNITS_SUMMED)
        settings = Settings(
            self._rows_per_update(X.shape[0], run.n_typical),
            *(getattr(self, name) for name in Settings._fields[1:]),
        )
        state = run.state
        variance = max(state.largest_variance, largest_variance(X))
        state = state._replace(largest_variance=variance)
        run.state = followed(state, self._follows_log_partition(run, sizes))
        return Trainer(X, settings, self._draws_rows(), weights)

    def _follows_log_partition(self, run, sizes):
        """Whether somebody looks at log Z while training, and it is not enumerated."""
        looked_at = run.n_rows[1] or run.patience is not None or self.verbose
        asked = self.partition_method == "rolling"
        return bool(looked_at or asked) and not self._is_always_exact(sizes)

    def _train_epoch(self, trainer, run):
        rate = self.learning_rate
        if rate == "auto":
            stable = _STABLE_RATE / max(run.state.largest_variance, 1)
            rate = min(_LARGEST_RATE, stable) * (1 - self.momentum)
        n_halved = run.n_halved
        while True:
            rates = run.learning_rates(rate, trainer.n_updates)
            before = copy.deepcopy(run.state)  # an epoch changes arrays in place
            try:
                state = trainer.epoch(run.state, rates)
                break
            except FloatingPointError:
                run.state = before
                if run.n_halved >= _MOST_HALVINGS:
                    raise
                run.n_halved += 1
        if run.n_halved > n_halved:
            warnings.warn(
                f"Training diverged. The epoch was repeated with a learning rate of "
                f"{rates[0]:.3g}, and the rate stays as much smaller.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return state

    def _evaluate(self, state, X, X_val):
        train = self._free_energies(state.average, X)
        held_out = np.full(1, np.nan)
        if X_val is not None:
            held_out = self._free_energies(state.average, X_val)
        estimate = self._running_estimate(state, train, X)
        tempered = self.negative_phase == "tempered" and state.ladder is not None
        scores = Scores(
            -train.mean() - estimate.value,
            -held_out.mean() - estimate.value,
            estimate.std_error,
            state.ladder.swap_rates.min() if tempered else np.nan,
            self._chain_free_energy(state) - train.mean(),
        )
        if estimate.effective_sample_size < _FEWEST_PARTICLES:
            return scores, (-np.inf, np.inf)
        score, margin = scores.validation_log_likelihood, 2 * estimate.std_error
        return scores, (score - margin, score + margin)

    def _chain_free_energy(self, state):
        """Mean free energy of the persistent chains, nan without any."""
        if not self._keeps_chains():
            return np.nan
        chains = samplers.sample_visible(state.average, state.chains, state.rng)
        return energy.free_energy(state.average, chains).mean()

    def _free_energies(self, parameters, X):
        """F of binary rows under parameters still in training."""
        energies = []
        for rows in validation.row_blocks(X.shape[0], max(parameters.weights.shape)):
            block = rows_as_float(X, rows, np.float32)
            energies.append(energy.free_energy(parameters, block))
        return np.concatenate(energies)

    def _running_estimate(self, state, energies, X):
        """log Z while training; unknown if nobody follows it."""
        if self._is_always_exact(state.average.weights.shape):
            return partition.exact_log_partition(state.average)
        if state.rolling is None:
            return _UNKNOWN
        bound = distinct_bound(energies, X)
        return partition.running_estimate(state, bound, self._keeps_chains())

    def _is_always_exact(self, sizes):
        """Whether log Z is enumerated after every epoch."""
        return self.partition_method in ("auto", "exact") and (
            min(sizes) <= _UNITS_PER_EPOCH
        )

    def _conclude(self, state, X, run, *, for_snapshot=False):
        if for_snapshot:
            X = X[:_ROWS_PER_SNAPSHOT]
        elif isinstance(X, View):
            X = X.sample(np.random.default_rng(0))
        if self._draws_rows():
            X = validation.drawn(X)
        bound = None
        if run.is_fit or X.shape[0] > MOST_ROWS:
            bound = lower_bound(state.seen, state.average, X)
        state = state._replace(seen=observe(state.seen, X, state.rng))
        if for_snapshot and state.rolling is not None:
            estimate = partition.running_estimate(state, bound, self._keeps_chains())
            return state, Summary(bound, estimate.value, estimate.std_error)
        return state, Summary(bound, None, None)

    @property
    def log_partition_lower_bound_(self) -> float:
        """A certain lower bound of log Z in nats, by the distinct rows of the data."""
        check_is_fitted(self)
        if self._summary.lower_bound is None:
            bound = lower_bound(self._state.seen, self._state.average)
            self._summary = self._summary._replace(lower_bound=bound)
        return self._summary.lower_bound

    @property
    def log_partition_(self) -> float:
        """log Z in nats, computed at its first use."""
        return self._with_log_partition().log_partition

    @property
    def log_partition_std_(self) -> float:
        """Standard error of log Z in nats, 0 if it is exact."""
        return self._with_log_partition().log_partition_std

    def _with_log_partition(self):
        """The summary, with log Z in it."""
        check_is_fitted(self)
        if self._summary.log_partition is None:
            estimate = self._closing_estimate()
            self._summary = self._summary._replace(
                log_partition=float(estimate.value),
                log_partition_std=float(estimate.std_error),
            )
        return self._summary

    def _closing_estimate(self):
        """log Z of the fitted model; a warning if it cannot be relied upon."""
        state, bound = self._state, self.log_partition_lower_bound_
        method, sizes = self.partition_method, self.components_.shape
        is_small = min(sizes) <= enumeration.MAX_UNITS
        if method == "exact" or (method == "auto" and is_small):
            return partition.exact_log_partition(state.average)
        # the same numbers whenever log Z is asked for
        rng = np.random.default_rng([self._seed, state.n_updates])
        if method == "rolling" and state.rolling is not None:
            estimate = partition.running_estimate(state, bound, self._keeps_chains())
        elif method == "ais":
            model = state.average, state.base
            estimate, _ = partition.annealed_log_partition(*model, *_AIS_SIZES, rng)
            estimate = partition.bounded(estimate, bound)
        else:
            chains = self._keeps_chains()
            estimate = partition.closing_estimate(state, bound, chains, rng)
        message = None
        if not getattr(estimate, "reliable", True):
            message = _IN_DOUBT.format(estimate)
        elif estimate.value <= bound + partition.ABOVE_BOUND:
            message = _REFUTED.format(estimate)
        if message:
            warnings.warn(message, ConvergenceWarning, stacklevel=4)
        return estimate

    def _attributes(self, state, summary, dtype):
        if not state.seen.priority.size:
            raise ValueError("a model without any row it was fitted to")
        parameters = state.average.astype(validation.float_dtype(dtype))
        return {
            "components_": parameters.weights.T,
            "intercept_visible_": parameters.visible_bias,
            "intercept_hidden_": parameters.hidden_bias,
        }

    def _template(self, arrays, n_features, table):
        sizes = n_features, self.n_components
        check_shape(arrays, "state.average.weights", sizes)
        n_chains, _ = check_shape(arrays, "state.chains", (None, self.n_components))
        n_parts, _ = check_shape(arrays, "state.base.log_odds", (None, n_features))
        base = new_mixture(np.ones(n_parts), np.full((n_parts, n_features), 0.5))
        state = initial_state(
            np.full(n_features, 0.5),
            base,
            self.n_components,
            n_chains,
            rng=validation.as_generator(0),
        )
        n_seen = len(arrays.get("state.seen.priority", ()))
        state = state._replace(seen=no_rows(n_features, n_seen))
        if "state.ladder.X" in arrays:
            shape = N_TEMPERATURES, n_chains, n_features
            check_shape(arrays, "state.ladder.X", shape)
            state = state._replace(ladder=new_ladder(np.zeros(shape[1:], np.float32)))
        if "state.rolling.n_moves" in arrays:
            state = followed(state, True)
            _check_some_at_model(arrays)
        known = (f"summary.{name}" in arrays for name in Summary._fields)
        return state, Summary(*(0.0 if is_known else None for is_known in known))

    @property
    def _n_features_out(self):
        return self.components_.shape[0]


def _check_some_at_model(arrays):
    """Raise ValueError unless a rolling particle of a file has reached the model."""
    stage, n_stages = (arrays[f"state.rolling.{f}"] for f in ("stage", "n_stages"))
    if stage.shape != n_stages.shape or n_stages.min() < 1 or np.all(stage < n_stages):
        raise ValueError("no particle of 'state.rolling' has reached the model")
