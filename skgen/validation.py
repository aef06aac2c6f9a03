"""Checks at the border: numeric, finite, binary; binarisation; random generators.

The only place that imports scikit-learn's private names.
"""

import warnings
from numbers import Integral, Real

import numpy as np
from scipy import sparse
from sklearn.base import _fit_context as _fit_context
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import check_random_state, check_scalar, gen_batches
from sklearn.utils._param_validation import Interval as Interval
from sklearn.utils._param_validation import StrOptions as StrOptions
from sklearn.utils.validation import check_array, validate_data

_VALUES_PER_BLOCK = 2**22


def as_generator(random_state):
    """A NumPy Generator from an int, a RandomState or None (fresh entropy).

    Raises
    ------
    ValueError
        If `random_state` is none of these.

    Examples
    --------
    >>> from skgen.validation import as_generator
    >>> as_generator(0).integers(100) == as_generator(0).integers(100)
    np.True_
    """
    if random_state is None or isinstance(random_state, Integral):
        return np.random.default_rng(random_state)
    legacy = check_random_state(random_state)
    return np.random.default_rng(legacy.randint(2**32, size=4, dtype=np.uint32))


def float_dtype(dtype):
    """Floating-point type of results for data of `dtype`.

    float32 for float32 and for types that fit in it (bool, 8 and 16 bits), else
    float64.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.validation import float_dtype
    >>> float_dtype(np.uint8), float_dtype(np.int64)
    (dtype('float32'), dtype('float64'))
    """
    fits = np.result_type(dtype, np.float32) == np.float32
    return np.dtype(np.float32 if fits else np.float64)


def check_input(estimator, X, *, reset=False, missing=False):
    """X as a finite numeric array or CSR matrix, features checked against `estimator`.

    Parameters
    ----------
    estimator : estimator
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    reset : bool, default=False
        Whether this call defines the number and names of features.
    missing : bool, default=False
        Whether NaN in a dense X stands for an entry that is not known.

    Returns
    -------
    ndarray or CSR matrix of shape (n_samples, n_features)
        In the dtype it came in, where that is numeric.

    Raises
    ------
    ValueError
        As ``sklearn.utils.validation.validate_data``; a text, NaN or infinite cell is
        named by value, row and column.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skgen.validation import check_input
    >>> check_input(StandardScaler(), [[1.0, np.nan]], reset=True)
    Traceback (most recent call last):
        ...
    ValueError: X contains NaN at row 0, column 1: StandardScaler needs finite ...
    """
    try:
        X = validate_data(
            estimator,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype="numeric",
            ensure_all_finite=False,
        )
    except ValueError as error:
        _name_text_cell(X, error)
        raise
    if sparse.issparse(X) and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    _check_finite(X, "X", estimator, missing)
    return X


def holds_missing(X):
    """Whether a dense X, of finite values otherwise, has NaN among them.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.validation import holds_missing
    >>> holds_missing(np.array([[1.0, np.nan]]))
    True
    """
    if sparse.issparse(X) or X.dtype.kind != "f":
        return False
    return bool(np.isnan(X.sum(dtype=np.float64)))  # without a mask of the size of X


def with_missing(estimator, X):
    """A floating-point copy of a dense X, checked, and where it is NaN.

    Parameters
    ----------
    estimator : estimator
    X : array-like of shape (n_samples, n_features)

    Returns
    -------
    ndarray of shape (n_samples, n_features)
    ndarray of bool of shape (n_samples, n_features)

    Raises
    ------
    TypeError
        If X is sparse.
    ValueError
        As :func:`check_input`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skgen.validation import with_missing
    >>> with_missing(StandardScaler().fit([[0, 1]]), [[1, np.nan]])
    (array([[ 1., nan]]), array([[False,  True]]))
    """
    X = check_input(estimator, X, missing=True)
    if sparse.issparse(X):
        raise TypeError(
            "A sparse X cannot tell what is missing, its zeros are values: pass "
            "X.toarray(), with NaN where an entry is not known."
        )
    X = X.astype(float_dtype(X.dtype))
    return X, np.isnan(X)


def check_latent(estimator, H, n_components):
    """Hidden values as a float array of n_components columns within [0, 1].

    Raises
    ------
    ValueError
        On another number of columns, or naming the first value outside [0, 1].

    Examples
    --------
    >>> from skgen.validation import check_latent
    >>> check_latent(None, [[0.5, 2.0]], 2)
    Traceback (most recent call last):
        ...
    ValueError: H must lie in [0, 1], got 2.0 at row 0, column 1: pass ...
    """
    H = check_array(
        H,
        dtype=(np.float64, np.float32),
        ensure_all_finite=False,
        input_name="H",
        estimator=estimator,
    )
    _check_finite(H, "H", estimator)
    if H.shape[1] != n_components:
        raise ValueError(
            f"H has {H.shape[1]} columns, but the model has {n_components} components: "
            f"pass what transform returns."
        )
    _refuse(
        H,
        lambda v: (v < 0) | (v > 1),
        "H must lie in [0, 1], got {value} at row {row}, column {column}: pass hidden "
        "states or what transform returns.",
    )
    return H


def binarized(X, binarize, *, warn=False):
    """X as uint8 0/1, as parameter `binarize` of the estimators says.

    Parameters
    ----------
    X : ndarray or CSR matrix
    binarize : float, None or "sample"
        A threshold; None or "sample": X must hold 0 and 1 already.
    warn : bool, default=False
        Whether to warn of values outside [0, 1] under a threshold.

    Raises
    ------
    ValueError
        Naming the first cell that is not 0 or 1, and the remedy.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.validation import binarized
    >>> binarized(np.array([[0.2, 0.8]]), 0.5)
    array([[0, 1]], dtype=uint8)
    """
    if binarize is None:
        return binary(X, "binarise X first or set binarize to a threshold")
    if binarize == "sample":
        return binary(X, "a likelihood is that of states, draw them from probabilities")
    return thresholded(X, binarize, warn=warn)


def check_count(value, name, smallest):
    """The value, if it is a whole number of at least `smallest`.

    Examples
    --------
    >>> from skgen.validation import check_count
    >>> check_count(0, "n_samples", 1)
    Traceback (most recent call last):
        ...
    ValueError: n_samples == 0, must be >= 1.
    """
    return check_scalar(value, name, Integral, min_val=smallest)


def check_fills_in(binarize):
    """Raise ValueError where 0 and 1, filled in, would not be taken as they are.

    Examples
    --------
    >>> from skgen.validation import check_fills_in
    >>> check_fills_in(127)
    Traceback (most recent call last):
        ...
    ValueError: impute fills in 0 and 1, of which binarize=127 would make ...
    """
    if isinstance(binarize, Real) and not 0 <= binarize < 1:
        raise ValueError(
            f"impute fills in 0 and 1, of which binarize={binarize} would make the "
            f"same: fit and impute X > {binarize}, as 0 and 1, instead."
        )


def thresholded(X, threshold, *, warn=False):
    """X > threshold as uint8, dense or CSR like X.

    Parameters
    ----------
    X : ndarray or CSR matrix
    threshold : float
    warn : bool, default=False
        Whether to warn of values outside [0, 1], which suggest unscaled data.

    Raises
    ------
    ValueError
        If the threshold is negative and X sparse: the zeros would become ones.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.validation import thresholded
    >>> thresholded(np.array([[0.2, 0.8]]), 0.5)
    array([[0, 1]], dtype=uint8)
    """
    if sparse.issparse(X) and threshold < 0:
        raise ValueError(
            f"binarize={threshold} would turn the zeros of a sparse X into ones: use a "
            f"threshold >= 0, or pass X.toarray()."
        )
    if warn:
        _warn_outside_unit_interval(X, threshold)
    return _as_uint8(X, lambda values: values > threshold)


def binary(X, remedy, name="X"):
    """X as uint8 where it holds nothing but 0 and 1.

    Raises
    ------
    ValueError
        Naming the first other value, its row and column, and the remedy.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.validation import binary
    >>> binary(np.array([[0, 1], [1, 5]]), "set binarize")
    Traceback (most recent call last):
        ...
    ValueError: X must hold only 0 and 1, got 5 at row 1, column 1: set binarize.
    """
    _refuse(
        X,
        # a missing entry, which is different from itself, is for others to refuse
        lambda values: (values != 0) & (values != 1) & (values == values),
        f"{name} must hold only 0 and 1, got {{value}} at row {{row}}, column "
        f"{{column}}: {remedy}.",
    )
    return _as_uint8(X, lambda values: values != 0)


def probabilities(X):
    """X where every value lies in [0, 1].

    Raises
    ------
    ValueError
        Naming the first value outside, its row and column, and the remedy.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.validation import probabilities
    >>> probabilities(np.array([[0.5, 255.0]]))
    Traceback (most recent call last):
        ...
    ValueError: ... probabilities in [0, 1], got 255.0 at row 0, column 1: scale ...
    """
    _refuse(
        X,
        lambda values: (values < 0) | (values > 1),
        "binarize='sample' takes X as probabilities in [0, 1], got {value} at row "
        "{row}, column {column}: scale X, for example with "
        "sklearn.preprocessing.MinMaxScaler.",
    )
    return X


def rows_as_float(X, rows, dtype):
    """Some rows of a dense or CSR X as a dense array of a floating-point type.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> from skgen.validation import rows_as_float
    >>> rows_as_float(csr_array(np.eye(2, dtype=np.uint8)), [1], np.float32)
    array([[0., 1.]], dtype=float32)
    """
    return dense_rows(X, rows).astype(dtype)


def dense_rows(X, rows):
    """Some rows of a dense or CSR X as a dense array.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> from skgen.validation import dense_rows
    >>> dense_rows(csr_array(np.eye(2)), [1])
    array([[0., 1.]])
    """
    part = X[rows]
    return part.toarray() if sparse.issparse(part) else part


def row_blocks(n_rows, n_columns):
    """Slices of rows, each block holding a bounded number of values.

    Examples
    --------
    >>> from skgen.validation import row_blocks
    >>> list(row_blocks(3, 2**22))
    [slice(0, 1, None), slice(1, 2, None), slice(2, 3, None)]
    """
    return gen_batches(n_rows, max(1, _VALUES_PER_BLOCK // n_columns))


def drawn(X, rng):
    """A binary draw from an array or CSR matrix of probabilities, as uint8.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.validation import drawn
    >>> drawn(np.array([[0.0, 1.0]]), np.random.default_rng(0))
    array([[0, 1]], dtype=uint8)
    """
    return _as_uint8(X, lambda values: rng.random(values.shape, np.float32) < values)


def _as_uint8(X, is_one):
    if not sparse.issparse(X):
        ones = is_one(X).view(np.uint8)
        if not holds_missing(X):
            return ones
        return np.where(np.isnan(X), np.float32(np.nan), ones)
    ones = type(X)((is_one(X.data).view(np.uint8), X.indices, X.indptr), shape=X.shape)
    if not ones.data.all():
        ones = ones.copy()  # X's own index arrays stay as they are
        ones.eliminate_zeros()
    return ones


def _refuse(X, is_bad, message):
    """Raise ValueError with the first offending value, its row and its column."""
    if not sparse.issparse(X):
        for start in range(0, X.shape[0], 1024):
            bad = is_bad(X[start : start + 1024])
            if bad.any():
                row, column = np.unravel_index(np.argmax(bad), bad.shape)
                _raise_for_cell(message, X[start + row, column], start + row, column)
        return
    bad = is_bad(X.data)
    if bad.any():
        first = np.argmax(bad)
        row = np.searchsorted(X.indptr, first, side="right") - 1
        _raise_for_cell(message, X.data[first], row, X.indices[first])


def _raise_for_cell(message, value, row, column):
    value = "NaN" if np.isnan(value) else value.item()
    raise ValueError(message.format(value=value, row=row, column=column))


def _name_text_cell(X, error):
    """Raise ValueError naming the first cell that is text, if there is one."""
    values = np.asarray(X)
    if values.ndim != 2 or values.dtype.kind not in "OUST":
        return
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        if isinstance(value, (str, bytes)) and not _is_number(value):
            raise ValueError(
                f"could not convert X to numbers, got the string {str(value)!r} at row "
                f"{row}, column {column}: encode it first, for example with "
                f"sklearn.preprocessing.OneHotEncoder."
            ) from error


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def _warn_outside_unit_interval(X, threshold):
    if sparse.issparse(X):
        low, high = X.min(), X.max()
    else:  # what is missing is passed over
        low, high = np.fmin.reduce(X, axis=None), np.fmax.reduce(X, axis=None)
    # a threshold outside [0, 1) was chosen in the units of X
    if 0 <= threshold < 1 and (low < 0 or high > 1):
        warnings.warn(
            f"X has values from {low} to {high}, outside [0, 1]; those above "
            f"binarize={threshold} are taken as 1, all others as 0. Scale X, or set "
            f"binarize to a threshold in the units of X.",
            DataConversionWarning,
            stacklevel=8,  # the caller of fit or partial_fit
        )


def _check_finite(X, name, estimator, missing=False):
    values = X.data if sparse.issparse(X) else X
    if values.dtype.kind != "f":
        return
    # a finite sum proves finite values without a mask of the size of X
    with np.errstate(all="ignore"):
        total = values.sum(dtype=np.float64)
    if not np.isfinite(total):
        _refuse(
            X,
            np.isinf if missing and X is values else lambda v: ~np.isfinite(v),
            f"{name} contains {{value}} at row {{row}}, column {{column}}: "
            f"{type(estimator).__name__} needs finite numbers. Drop such rows or fill "
            f"them in first, for example with sklearn.impute.SimpleImputer.",
        )
