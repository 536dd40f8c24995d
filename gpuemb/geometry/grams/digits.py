"""Rounding of sums, and the thresholds for reading rows again."""

from __future__ import annotations

from gpuemb.kernels.gram import BLOCK_ROWS, CHUNK_ROWS

PROMISED = 1e-6  # relative error of every measure, at most (Definitions §2)
CANCELED = 64 * 2.0**-52  # of what is subtracted: the error of a difference of float64 sums, at most about
# A squared distance below this share of the squared norms has lost its digits in the difference of their
# sums: the pair is recomputed from the difference of its rows (Definitions §2).
NEARLY_EQUAL = CANCELED / PROMISED
ROUNDING = BLOCK_ROWS * 2.0**-52  # relative error of a sum over a block, at worst
FAR = ROUNDING / PROMISED  # of a square: with less left of it, too few digits are
FLOAT32_ROUNDING = CHUNK_ROWS * 2.0**-23  # the same of float32 products
FLOAT32_SPREAD = 1e-2  # of a column's square: with less, float32 would lose two digits to its mean
VANISHING = (4 * 2.0**-52) ** 2  # of a column's raw square: what rounding its mean leaves of a constant
