"""The variational autoencoder, on a torch backend."""

from skgen.vae.estimator import VariationalAutoencoder

__all__ = ["VariationalAutoencoder"]
