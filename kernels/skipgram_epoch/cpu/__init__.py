"""Skip-gram on the CPU: the buckets of a round on all workers.

Plan      Tokens are cut among the workers; one pass counts the pairs of each bucket, a second writes them.
          A bucket touches V/B input and V/B output vectors: with B chosen so that both fit a core's L2, a
          pair costs arithmetic instead of memory.
Bound by  float32 multiply-adds and loads: a batch's vectors are read twice.
Contract  the order inside a bucket and of the rounds is given, so every thread count gives the same bits.
"""

from gpuemb.kernels.skipgram_epoch.cpu.pairs import skipgram_pairs
from gpuemb.kernels.skipgram_epoch.cpu.steps import skipgram_steps

__all__ = ["skipgram_pairs", "skipgram_steps"]
