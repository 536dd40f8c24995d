"""What each measure of two runs means, in one sentence."""

from __future__ import annotations

from gpuemb.stability.result import PairMeasure

MEANINGS = {
    "overlap": "Share of a word’s nearest neighbors that both runs list; its mean over all pairs of runs is"
    " the stability of the word.",
    "jaccard": "Neighbors that both runs list as a share of those that either lists; below the overlap, which"
    " counts one list.",
    "rank_biased_overlap": "Overlap of the first 1, 2, 3, … neighbors, each depth weighing 0.9 of the one"
    " before: agreement on the nearest counts most.",
    "average_overlap": "Overlap of the first 1, 2, 3, … neighbors, averaged over all depths alike.",
    "rank_similarity": "How equal the ranks of the shared neighbors are, near ones counting most; 1 where all"
    " have the same ranks and are the first, 0 where none is shared.",
    "direct_distance": "Length of the difference of the two tables as they stand, without any rotation.",
    "procrustes_distance": "Length of the difference that is left after the best rotation or reflection.",
    "unaligned_cosine": "Mean cosine of a word’s two vectors as they stand, without any rotation.",
    "aligned_cosine": "Mean cosine of a word’s two vectors after the best rotation or reflection.",
    "rsa": "Correlation, over all pairs of words, of their cosines in one run with those in the other; no"
    " rotation can change it.",
    "cka": "Linear centered kernel alignment: the similarity of the two tables of inner products between"
    " words, from 0 to 1; no rotation can change it.",
    "pip_loss": "Length of the difference of all inner products between words; no rotation can change it.",
    "spectrum_distance": "Half the summed difference of the shares of variance by rank; 0 when they are"
    " equal.",
}


def meaning(measure: PairMeasure) -> str:
    """One sentence on a measure; empty for one that is not listed."""
    return MEANINGS.get(measure.measure.partition("_at_")[0], "")
