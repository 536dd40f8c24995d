"""The table of measures that follow from the products of two tables; a new measure is one line here."""

from __future__ import annotations

from gpuemb.geometry.cca import CCA, PWCCA, SVCCA
from gpuemb.geometry.cka import CKA, DEBIASED_CKA
from gpuemb.geometry.eigenspace import EIGENSPACE_INSTABILITY, EIGENSPACE_OVERLAP
from gpuemb.geometry.measure import Measure
from gpuemb.geometry.pip import PIP_LOSS
from gpuemb.geometry.procrustes import PROCRUSTES_DISTANCE
from gpuemb.geometry.rotations.pair_distances import DIRECT_DISTANCE
from gpuemb.geometry.rsa import RSA
from gpuemb.geometry.shape_distances import ANGULAR, BURES
from gpuemb.geometry.spectrum import SPECTRUM_DISTANCE

MEASURES: tuple[Measure, ...] = (
    DIRECT_DISTANCE,
    PROCRUSTES_DISTANCE,
    ANGULAR,
    BURES,
    RSA,
    CKA,
    DEBIASED_CKA,
    CCA,
    SVCCA,
    PWCCA,
    EIGENSPACE_OVERLAP,
    EIGENSPACE_INSTABILITY,
    PIP_LOSS,
    SPECTRUM_DISTANCE,
)
