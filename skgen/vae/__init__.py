"""The variational autoencoder, on a torch backend."""

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError(
        'VariationalAutoencoder needs torch: pip install "scikit-gen[vae]". Without a '
        "GPU, first install the build of torch for CPUs, which is a tenth as large: "
        "pytorch.org tells how. BinaryRBM works without torch."
    ) from error

from skgen.vae.estimator import VariationalAutoencoder

__all__ = ["VariationalAutoencoder"]
