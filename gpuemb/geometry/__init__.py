"""Similarity of two or more tables over the same words, as shapes in space.

One name has several meanings in public code. Ours, and its relation to a peer's number
(``NBS = ‖XᵀY‖_* / (‖X‖ ‖Y‖)`` of centered columns):

======================  ===================================  =========================================
measure                 ours                                 a peer's
======================  ===================================  =========================================
procrustes              ``‖XQ − Y‖`` of rows as they are,    ``scipy.spatial.procrustes``: centered,
                        not squared                          of length 1, scaled, squared:
                                                             ``1 − NBS²``; ``orthogonal_procrustes``
                                                             gives ``‖XᵀY‖_*``, no distance
angular                 ``arccos(NBS)``, in radians          netrep "angular": the same; NBS, or one
                                                             minus it: its cosine
bures                   not squared, in the tables' unit     netrep "euclidean": the same; elsewhere
                                                             squared, or of length 1
pip_loss                ``‖XXᵀ − YYᵀ‖``, not squared         Yin and Shen: the same
cka                     biased, centered columns             Kornblith: the same; "unbiased" is
                                                             ``debiased=True``
cka, debiased           may be negative, never clamped       some show 0 for what is less
rsa                     Pearson of cosine similarities       SciPy ``pdist``, rsatoolbox "corr" of
                        of all pairs ``i < j``               dissimilarities: the same; "cosine" keeps
                                                             the means
rsa, the rows           of length 1                          rsatoolbox "euclidean": squared, over d, of
                                                             rows as they are: the same if scaled first;
                                                             "correlation": centered rows first
rsa, kendall            τ-b                                  rsatoolbox "tau-a": the same without ties
rsa and cka, bootstrap  copies of a word are no pair         resampled whole matrices keep them, as
                                                             cosines of 1, which inflates agreement
cca                     mean ρ over the smaller rank         mean ρ² is another measure; as a distance:
                                                             one minus it
svcca                   99 % of ``Σλ = Σσ²`` of each table   of ``Σσ``: more axes are kept
pwcca                   both directions are given            Morcos: the side of smaller rank
eigenspace_overlap      over the larger numerical rank       May: the same at full rank
eigenspace_instability  α = 3, anchors X and Y               Leszczynski: anchors are given
effective_rank          of singular values σ                 of λ: our ``entropy_rank``
iso_score               ``(PR − 1)/(d − 1)``                 Rudman: the same by longer steps
semantic_displacement   one minus the mean cosine of rows    Hamilton: the same word by word; the mean
                        of length 1, after rotation          aligned cosine is one minus it
======================  ===================================  =========================================

Sums are float64 over blocks of 8,192 rows, of float32 products where those are enough
(:mod:`gpuemb.geometry.cross_grams` lists the measures). Where they have too few digits for a measure,
the rows are read again, and its result is marked ``recomputed``:

=======================================  ==============================================================
loss of digits                           when the rows are read, and how
=======================================  ==============================================================
distances of nearly equal tables; angle  a squared distance is less than 1e6 times the error of its
and Bures distance of such shapes        sums: from the difference of the rows

CKA, angle, Bures distance, spectrum of  the mean is beyond about 700 times the spread: rows are moved
columns with far larger means            to their means and summed again

CCA family, eigenspaces: a Gram errs by  the condition, with the mean's length in it, is past 1e5: by
``c·eps·condition²``                     thin QR, which errs by ``c·eps·condition``

instability of nearly equal spaces, PIP  the value is less than 1e6 times the error of its sums: by
of a word of nearly equal tables         thin QR
=======================================  ==============================================================

Every measure of two tables has an ``interval``: what other samples of as many words would give on average.
The words are dealt to blocks, one block at a time is left out, and its sums are subtracted from those of
all words; no word is used twice, so maps, subspaces and spectra are not biased. ``permutations=`` of the
words of one table compare a number with chance. ``bootstrap=`` resamples words with copies, for RSA, CKA
and PIP, which are sums over pairs of words: two copies of a word make no pair. It is refused for all other
measures, whose percentiles it moves by about ``d/V``.

Without an interval: streamed ranks (they must fit in memory), weighted procrustes, subspaces past condition
1e5, numbers of one table or of each word. Tables of pairs leave out one run at a time
(:mod:`gpuemb.stability.statistics`).
"""
