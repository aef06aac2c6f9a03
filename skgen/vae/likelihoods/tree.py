"""Binary values that depend on one another by a tree.

References
----------
Chow, C. K. and Liu, C. N. Approximating discrete probability distributions with
dependence trees. IEEE Transactions on Information Theory 14, 1968.
Pearl, J. Probabilistic reasoning in intelligent systems. Morgan Kaufmann, 1988.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from torch.nn.functional import softplus

from skgen.vae.likelihoods.base import Likelihood
from skgen.vae.likelihoods.binary import Bernoulli
from skgen.validation import row_blocks, rows_as_float

_PSEUDO_COUNT = 0.5  # of each of the four cells of a pair of columns
_SMALLEST_INFORMATION = 1e-12  # nats: without it there would be no edge


class Tree(NamedTuple):
    """Columns from the root down, the parent of each, and logits of 1 given the parent.

    The root is its own parent. The logits, (2, n_features), are of a parent that is 0,
    and of one that is 1.
    """

    order: np.ndarray
    parents: np.ndarray
    logits: np.ndarray


class ChowLiu(Bernoulli):
    """Binary values along a tree: given h, each depends on one other, its parent.

    x_i = 1 with probability sigmoid(output_i) where its parent is 0, and
    sigmoid(output_(n + i)) where it is 1. The tree is that of Chow and Liu: of all
    trees it has the largest sum of mutual informations of children and parents. It is
    chosen before training, with time and memory that grow with the square of the
    number of columns.

    Examples
    --------
    The first and the last column mostly repeat the one between them:

    >>> import numpy as np
    >>> from skgen.vae.likelihoods import ChowLiu
    >>> rows = [[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 0, 1]]
    >>> likelihood = ChowLiu().build(3)
    >>> likelihood.prepare(np.repeat(rows, [40, 40, 5, 8], axis=0))
    >>> likelihood.parents
    tensor([1, 1, 1])
    """

    def build(self, n_features):
        built = super().build(n_features)
        built.n_outputs = 2 * n_features
        # before a tree is chosen there is a chain
        chain = (torch.arange(n_features, device="cpu") - 1).clamp(min=0)
        zeros = torch.zeros(2 * n_features, dtype=torch.float32, device="cpu")
        built.register_buffer("parents", chain)
        built.register_buffer("logits", zeros)
        return built

    def prepare(self, X):
        _, parents, logits = map(torch.from_numpy, chow_liu_tree(X))
        self.parents.copy_(parents)
        self.logits.copy_(logits.reshape(-1))

    def start(self, mean, std):
        return torch.ones_like(mean), self.logits.to(mean)

    def terms(self, outputs, X):
        """log p of each column given its parent."""
        return super().terms(self._given_parents(outputs, X), X)

    def surrogate(self, outputs, X):
        return super().surrogate(self._given_parents(outputs, X), X)

    def mean(self, outputs):
        return self._downward(outputs.chunk(2, dim=-1))

    def sample(self, outputs, generator):
        zero, one = outputs.chunk(2, dim=-1)
        uniform = torch.empty_like(zero).uniform_(generator=generator)
        return self._downward((zero, one), uniform=uniform)

    def log_prob_of_pairs(self, outputs, X, observed=None):
        if observed is not None:
            return Likelihood.log_prob_of_pairs(self, outputs, X, observed)
        zero, one = outputs.chunk(2, dim=-1)
        parents = X[:, self.parents] * self._is_child()
        log_p = zero @ (X * (1 - parents)).T + one @ (X * parents).T
        zero, one = softplus(zero), softplus(one)
        return log_p - zero.sum(dim=-1, keepdim=True) - (one - zero) @ parents.T

    def observed_log_prob(self, outputs, X, observed):
        return self._upward(outputs, X, observed)[0]

    observed_surrogate = observed_log_prob

    def conditional_mean(self, outputs, X, observed):
        field = self._upward(outputs, X, observed)[1]
        logits = [part + field for part in outputs.chunk(2, dim=-1)]
        return self._downward(logits, X, observed)

    def conditional_sample(self, outputs, X, observed, generator):
        field = self._upward(outputs, X, observed)[1]
        logits = [part + field for part in outputs.chunk(2, dim=-1)]
        uniform = torch.empty_like(field).uniform_(generator=generator)
        return self._downward(logits, X, observed, uniform)

    def _given_parents(self, outputs, X):
        """The logit of each column, where its parent is known."""
        zero, one = outputs.chunk(2, dim=-1)
        parents = X[..., self.parents] * self._is_child()
        return zero + parents * (one - zero)

    def _is_child(self):
        """Which columns are not the root, which is its own parent."""
        numbers = torch.arange(len(self.parents), device=self.parents.device)
        return self.parents != numbers

    def _upward(self, outputs, X, observed):
        """log p(x_obs | h), and by how much what is below a column raises its logit."""
        zero, one = outputs.chunk(2, dim=-1)
        shape = torch.broadcast_shapes(zero.shape, X.shape)
        field, total = zero.new_zeros(shape), 0

        def message(logits, columns):
            logit = logits[..., columns]
            raised, known = logit + field[..., columns], observed[..., columns]
            weight = torch.where(known, X[..., columns] * raised, softplus(raised))
            return weight - softplus(logit)

        for columns in reversed(self._levels()[1:]):
            below, above = (message(logits, columns) for logits in (zero, one))
            total = total + below.sum(dim=-1)
            field = field.index_add(-1, self.parents[columns], above - below)
        return total + message(zero, self._levels()[0]).sum(dim=-1), field

    def _downward(self, logits, X=None, observed=None, uniform=None):
        """Probabilities of 1, or with `uniform` numbers draws, from the root down."""
        zero, one = map(torch.sigmoid, logits)
        result = torch.zeros_like(zero)
        for columns in self._levels():
            parents = result[..., self.parents[columns]]
            value = torch.lerp(zero[..., columns], one[..., columns], parents)
            if uniform is not None:
                value = (uniform[..., columns] < value).to(value)
            if X is not None:
                value = torch.where(observed[..., columns], X[..., columns], value)
            result[..., columns] = value
        return result

    def _levels(self):
        """Numbers of the columns by their distance from the root, which is first."""
        parents = self.parents.cpu().numpy()
        is_child = parents != np.arange(len(parents))
        levels, above = [], np.flatnonzero(~is_child)
        while len(above):
            levels.append(torch.from_numpy(above).to(self.parents.device))
            above = np.flatnonzero(is_child & np.isin(parents, above))
        return levels


def chow_liu_tree(X):
    """The Tree of rows that are 0/1 or probabilities, dense with NaN or CSR."""
    cells = _pair_counts(X) + _PSEUDO_COUNT
    joint = cells / cells.sum(axis=(0, 1))
    one, other = joint.sum(axis=1, keepdims=True), joint.sum(axis=0, keepdims=True)
    information = np.sum(joint * np.log(joint / (one * other)), axis=(0, 1))
    np.fill_diagonal(information, 0)
    root = int(np.argmax(information.sum(axis=0)))
    edges = -np.maximum(information, _SMALLEST_INFORMATION)
    tree = minimum_spanning_tree(edges)
    order, parents = breadth_first_order(tree, root, directed=False)
    parents[root] = root
    log_odds = np.log(cells[:, 1] / cells[:, 0])[:, parents, np.arange(len(parents))]
    # of its own cells two are empty
    log_odds[:, root] = np.log(cells[1, 1] / cells[0, 0])[root, root]
    return Tree(order.astype(np.int64), parents.astype(np.int64), np.float32(log_odds))


def _pair_counts(X):
    """Rows in which columns i and j are a and b, at [a, b, i, j], both observed."""
    n = X.shape[1]
    known, one, both = np.zeros((3, n, n))
    for rows in row_blocks(*X.shape):
        block = rows_as_float(X, rows, np.float64)
        observed = (~np.isnan(block)).astype(np.float64)
        block = np.where(observed > 0, block, 0)
        known += observed.T @ observed
        one += block.T @ observed
        both += block.T @ block
    return np.array([[known - one - one.T + both, one.T - both], [one - both, both]])
