"""What a fitted RBM answers: features, probabilities, likelihoods and samples."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skgen.base import GenerativeEstimator
from skgen.rbm import energy, enumeration, partition, samplers
from skgen.validation import (
    as_generator,
    binarized,
    binary,
    check_count,
    check_fills_in,
    check_input,
    check_latent,
    float_dtype,
    probabilities,
    row_blocks,
    rows_as_float,
    with_missing,
)

_BURN_IN = 1000  # Gibbs steps from the chains of training, whose model was another
_STARTS = 500  # draws from the model that chains of missing entries start from


class FittedRBM(GenerativeEstimator):
    """Methods of ``BinaryRBM`` that need its fitted attributes only.

    X is dense or CSR of shape (n_samples, n_features), binarised as `binarize` says; H
    is an array of shape (n_samples, n_components). Energies and log-probabilities are
    in nats, one per row. All methods raise ``NotFittedError`` before ``fit`` and
    ``ValueError`` on input that is not finite (``impute`` takes NaN), not binary where
    0/1 is demanded, or of another number of features.
    """

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
        >>> BinaryRBM(2, random_state=0).fit(X).transform(X).shape
        (4, 2)
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
        >>> from skgen import BinaryRBM
        >>> rbm = BinaryRBM(2, random_state=0).fit([[0, 1], [1, 0], [1, 1]])
        >>> rbm.inverse_transform([[0, 1], [0.5, 0.5]]).shape
        (2, 2)
        """
        check_is_fitted(self)
        H = check_latent(self, H, self._n_features_out)
        return self._by_hidden_rows(energy.visible_probability, H)

    def score_samples(self, X):
        """log P(x) = -F(x) - log Z.

        In a ``Pipeline`` x is what the step before the last one puts out.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats. All rows share the error of ``log_partition_``, whose standard error
            is ``log_partition_std_``.

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
        log_partition = self.log_partition_

        def log_likelihood(parameters, X):
            return -energy.free_energy(parameters, X) - log_partition

        return self._by_rows(log_likelihood, X)

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
        >>> from skgen import BinaryRBM
        >>> rbm = BinaryRBM(2, random_state=0).fit([[0, 1], [1, 0], [1, 1]])
        >>> rbm.energy([[0, 1]], [[1, 1]]).shape
        (1,)
        """
        check_is_fitted(self)
        return self._by_rows(
            energy.energy, X, check_latent(self, H, self._n_features_out)
        )

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
        log_partition = self.log_partition_

        def log_likelihood(parameters, H):
            return -energy.hidden_free_energy(parameters, H) - log_partition

        return self._by_hidden_rows(log_likelihood, H)

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
        >>> from skgen import BinaryRBM
        >>> rbm = BinaryRBM(2, random_state=0).fit([[0, 1], [1, 0], [1, 1]])
        >>> rbm.pseudo_log_likelihood([[0, 1], [1, 1]]).shape
        (2,)
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
            None: fresh entropy, so that calling it again and again makes a chain. (The
            same int in every call would repeat the same draws.)

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            0/1, in the dtype of the training data.

        Examples
        --------
        >>> from skgen import BinaryRBM
        >>> rbm = BinaryRBM(2, random_state=0).fit([[0, 1], [1, 0], [1, 1]])
        >>> rbm.gibbs([[0, 1], [1, 1]], n_steps=10).shape
        (2, 2)
        """
        check_is_fitted(self)
        n_steps = check_count(n_steps, "n_steps", 0)
        rng = as_generator(random_state)

        def chains(parameters, X):
            return samplers.gibbs(parameters, X, n_steps, rng)

        return self._by_rows(chains, X).astype(self._dtype_of_X)

    def sample(self, n_samples=1, *, n_gibbs_steps=None, random_state=None):
        """New rows from P(x).

        Independent draws where one of the layers has at most 20 units. Otherwise
        weighted particles, from the estimate of ``log_partition_`` or from rolling AIS,
        are resampled and moved on by Gibbs steps.

        Parameters
        ----------
        n_samples : int, default=1
        n_gibbs_steps : int, default=None
            Steps from the particles; None: 100. Exact draws need none.
        random_state : int, RandomState instance or None, default=None
            None: that of the estimator.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            0/1, in the dtype of the training data.

        Examples
        --------
        >>> import numpy as np
        >>> from skgen import BinaryRBM
        >>> X = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
        >>> BinaryRBM(2, random_state=0).fit(X).sample(5).shape
        (5, 3)
        """
        check_is_fitted(self)
        n_samples = check_count(n_samples, "n_samples", 1)
        n_steps = 100 if n_gibbs_steps is None else n_gibbs_steps
        n_steps = check_count(n_steps, "n_gibbs_steps", 0)
        rng = self._generator(random_state)
        return self._drawn(n_samples, n_steps, rng).astype(self._dtype_of_X)

    def _drawn(self, n_samples, n_steps, rng):
        """Exact draws, or n_steps from the weighted particles, in float32."""
        parameters = self._parameters(np.float32)
        if min(parameters.weights.shape) <= enumeration.MAX_UNITS:
            return samplers.exact_samples(parameters, n_samples, rng)
        X = partition.resample(self._draws, n_samples, rng)
        for rows in row_blocks(n_samples, max(self.components_.shape)):
            X[rows] = samplers.gibbs(parameters, X[rows], n_steps, rng)
        return X

    def impute(self, X, *, n_gibbs_steps=100, return_mean=False, random_state=None):
        """X with draws from P(missing | observed) for its missing entries.

        Gibbs chains with the observed entries held fixed start from draws of the model,
        chosen by the probability that they give to what is observed.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Dense; NaN is a missing entry.
        n_gibbs_steps : int, default=100
            Of each chain; ten times as many lower the error on digits by under 1 %.
        return_mean : bool, default=False
            Fill in E[x_i | observed] instead, from the second half of five chains.
        random_state : int, RandomState instance or None, default=None
            None: that of the estimator.

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
        n_steps = check_count(n_gibbs_steps, "n_gibbs_steps", 1)
        check_fills_in(self.binarize)
        X, missing = with_missing(self, X)
        states = binarized(np.where(missing, 0, X), self.binarize)
        incomplete = np.flatnonzero(missing.any(axis=1))
        if incomplete.size == 0:
            return X
        rng = self._generator(random_state)
        parameters = self._parameters(np.float32)
        starts = samplers.sample_hidden(parameters, self._drawn(_STARTS, 0, rng), rng)
        fill_in = samplers.conditional_means if return_mean else samplers.conditional
        width = samplers.N_CHAINS * max(*self.components_.shape, _STARTS)
        for block in row_blocks(incomplete.size, width):
            rows = incomplete[block]
            part = rows_as_float(states, rows, np.float32), missing[rows]
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
            Annealed importance sampling from a product of marginals, whose estimate of
            log Z is too small on average, and makes likelihoods optimistic; its
            counterpart from draws of the model, pessimistic on average if they are in
            all of its modes; or enumeration (one of the layers with at most 25 units).
        n_chains : int, default=100
            Independent particles of AIS.
        n_temperatures : int, default=1000
            Steps of AIS.
        random_state : int, RandomState instance or None, default=None
            None: that of the estimator.

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
        Where "ais" and "reverse_ais" agree, log Z deserves trust. "reverse_ais" starts
        from exact draws where a layer has at most 20 units; else from the chains of
        training (after "cd" and "exact", from the product of the marginals), each
        copied if they are fewer, and moved on by 1,000 Gibbs steps. Persistent chains
        are in modes that training has seen, and not only in those that AIS has found.
        A mode that they have not met is missing from "reverse_ais"; if some particles
        of "ais" meet it, its log Z is the larger one and its effective sample size a
        few: then believe "ais".

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
        n_chains = check_count(n_chains, "n_chains", 1)
        n_temperatures = check_count(n_temperatures, "n_temperatures", 1)
        rng = self._generator(random_state)
        parameters, base_bias = self._parameters(np.float32), self._state.base_bias
        if method == "ais":
            return partition.annealed_log_partition(
                parameters, base_bias, n_chains, n_temperatures, rng
            )[0]
        if method == "reverse_ais":
            X = self._draws_apart_from_ais(parameters, n_chains, rng)
            return partition.reverse_annealed_log_partition(
                parameters, base_bias, X, n_temperatures, rng
            )
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

    @property
    def _n_features_out(self):
        return self.components_.shape[0]

    def _parameters(self, dtype):
        return energy.RBMParameters(
            self.components_.T, self.intercept_visible_, self.intercept_hidden_
        ).astype(dtype)

    def _hidden_states(self, H):
        check_is_fitted(self)
        H = check_latent(self, H, self._n_features_out)
        binary(H, "a probability has no log-probability, draw a state from it", "H")
        return H

    def _by_hidden_rows(self, function, H):
        """function(parameters, rows of H), in blocks of rows."""
        parameters = self._parameters(H.dtype)
        blocks = row_blocks(len(H), max(self.components_.shape))
        results = [function(parameters, H[rows]) for rows in blocks]
        return np.concatenate(results).astype(H.dtype, copy=False)

    def _by_rows(self, function, X, *others, as_probabilities=False):
        """function(parameters, rows of X, rows of others), in blocks of rows."""
        check_is_fitted(self)
        X = check_input(self, X)
        dtype = float_dtype(X.dtype)
        if as_probabilities and self.binarize == "sample":
            X = probabilities(X)
        else:
            X = binarized(X, self.binarize)
        for other in others:
            if len(other) != X.shape[0]:
                raise ValueError(
                    f"X and H must have as many rows as each other, got {X.shape[0]} "
                    f"and {len(other)}."
                )
        parameters = self._parameters(dtype)
        results = [
            function(
                parameters,
                rows_as_float(X, rows, dtype),
                *(other[rows] for other in others),
            )
            for rows in row_blocks(X.shape[0], max(self.components_.shape))
        ]
        return np.concatenate(results).astype(dtype, copy=False)
