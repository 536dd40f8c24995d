"""Checkpoints of transformers on the disk: which tensors are tables of words, and what their tokens say."""
