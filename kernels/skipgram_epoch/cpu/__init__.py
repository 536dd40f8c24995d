"""Skip-gram on the CPU: the buckets of a round on all workers.

Plan      Tokens are cut among the workers: kept ones are listed with their windows, the pairs of each bucket
          counted, then dealt, an input and an output in one word, and last arranged, bucket by bucket. A
          bucket touches V/B input and V/B output vectors. Products of an input with negatives serve its run;
          those of four inputs with three negatives fill sixteen registers. The words of the next batch are
          drawn before this one's vectors are moved, and fetched meanwhile, a cache line of each at a time: in
          one go they would fill the queue of misses. They are fetched to be written: another core had them.
Bound by  rows from and to the last cache, 8·4·d bytes a pair and as many again for each of 12 negatives of
          a batch; float32 multiply-adds, 6·d·(1 + negatives / m) flops a pair, m of them in a run; and
          preparing batches, a sixth of the time at d = 100.
Contract  the order inside a bucket and of the rounds is given, so every thread count gives the same bits.
"""

from gpuemb.kernels.skipgram_epoch.cpu.pairs import skipgram_pairs
from gpuemb.kernels.skipgram_epoch.cpu.steps import skipgram_steps

__all__ = ["skipgram_pairs", "skipgram_steps"]
