"""A sparse matrix times a narrow dense one, in float32.

    starts   (N + 1,)     int64    nonzeros of row i: starts[i] to starts[i + 1]
    columns  (nonzeros,)  int32    the column of each, below M
    values   (nonzeros,)  float32
    dense    (M, 32·m)    float32  C order
    product  (N, 32·m)    float32  row i: Σ values · dense[columns], in the order in which they are stored

Every step of a sum is one fused multiply-add, so the bits depend neither on the threads nor on the processor.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import Float32, Int32, Int64
from gpuemb.core.dispatch import kernel

STRIP = 32  # columns: two vectors of 512 bits; dense matrices are padded to a multiple


@kernel
def sparse_product(starts: Int64, columns: Int32, values: Float32, dense: Float32) -> Float32:
    """Multiply a matrix in CSR form with a dense one.

    Cost: ``2·nonzeros·32·m`` flops; ``128·m`` bytes gathered a nonzero.
    """
    product = np.zeros((len(starts) - 1, dense.shape[1]), np.float32)
    for row in range(len(product)):
        for place in range(starts[row], starts[row + 1]):  # a float64 step rounded to float32 is a fused one
            step = np.float64(values[place]) * dense[columns[place]] + product[row]
            product[row] = step.astype(np.float32)
    return product
