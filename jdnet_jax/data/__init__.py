"""Datasets, the order in which they are seen, augmentation and the input pipeline."""

from jdnet_jax.data.datasets import Dataset, prepare, with_decoded, with_unlabelled
from jdnet_jax.data.pipeline import eval_batches, train_batches

__all__ = ["Dataset", "eval_batches", "prepare", "train_batches", "with_decoded", "with_unlabelled"]
