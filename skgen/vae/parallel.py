"""Training by several processes at once: the same model on every one of them.

Every process gets the same rows, draws the same batches and noise, and takes its share
of them; gradients are summed over the processes. So the model equals that of a single
process, up to rounding. An exception is batch normalisation in a network that the
caller supplies: it sees only its process's share of a batch.

References
----------
Li, S. et al. PyTorch Distributed: experiences on accelerating data parallel training.
VLDB 2020.
"""

import os
from typing import NamedTuple

import numpy as np
from scipy import sparse
from torch import distributed
from torch.nn.parallel import DistributedDataParallel


class Rank(NamedTuple):
    """This process's number, how many there are, and its number on this machine."""

    number: int
    n_ranks: int
    local: int

    def share(self, values, dim=0):
        """Every n_ranks-th value along a dimension, starting at this rank's number."""
        if self.n_ranks == 1:
            return values
        index = [slice(None)] * dim + [slice(self.number, None, self.n_ranks)]
        return values[tuple(index)]


def rank():
    """The rank in ``torch.distributed``; of a single process if that is not set up."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return Rank(0, 1, 0)
    number = distributed.get_rank()
    local = int(os.environ.get("LOCAL_RANK", number))
    return Rank(number, distributed.get_world_size(), local)


def synchronized(module):
    """The module, with gradients averaged over all processes."""
    return module if rank().n_ranks == 1 else DistributedDataParallel(module)


def broadcast(value):
    """The first process's value, on every process."""
    if rank().n_ranks == 1:
        return value
    shared = [value]
    distributed.broadcast_object_list(shared, src=0)
    return shared[0]


def broadcast_buffers(module):
    """Copy the first process's buffers, such as running means, to every process."""
    if rank().n_ranks > 1:
        for buffer in module.buffers():
            distributed.broadcast(buffer, src=0)


def check_same(X):
    """Raise ValueError unless X is the same on all processes."""
    n_ranks = rank().n_ranks
    if n_ranks == 1:
        return
    values = X.data if sparse.issparse(X) else X
    total = float(np.nansum(values, dtype=np.float64))
    gathered = [None] * n_ranks
    distributed.all_gather_object(gathered, (X.shape, total))
    if len(set(gathered)) > 1:
        raise ValueError(
            f"X must be the same on all {n_ranks} processes, but their shapes and sums "
            f"are {gathered}: pass all rows to every process."
        )
