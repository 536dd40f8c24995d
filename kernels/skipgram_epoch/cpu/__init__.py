"""Skip-gram on the CPU: the buckets of a round on all workers.

Plan      Tokens are cut among the workers; one pass counts the pairs of each bucket, a second writes them.
          A bucket touches V/B input and V/B output vectors. Products of a batch's four inputs with three rows
          fill sixteen registers; the words of the next batch are drawn, and prefetched, while the steps of
          this one are computed.
Bound by  float32 multiply-adds, 6·d·(1 + negatives) flops a pair, and rows from the last cache: a bucket has
          few pairs for each of its words.
Contract  the order inside a bucket and of the rounds is given, so every thread count gives the same bits.
"""

from gpuemb.kernels.skipgram_epoch.cpu.pairs import skipgram_pairs
from gpuemb.kernels.skipgram_epoch.cpu.steps import skipgram_steps

__all__ = ["skipgram_pairs", "skipgram_steps"]
