"""The effective sample size of draws that are still coming: what ``target_ess`` is compared with."""

from __future__ import annotations

import numpy as np


def effective_sizes(draws: np.ndarray) -> np.ndarray:
    """Of draws (chains, n, dim) the effective sizes (dim,) for the mean of each coordinate.

    Each chain is cut in two halves; the sum of autocorrelations ends by Geyer's initial monotone sequence. nan where a
    coordinate does not move. Vehtari, Gelman, Simpson, Carpenter & Bürkner, "Rank-normalization, folding, and
    localization" (2021), section 3.2.

    >>> effective_sizes(np.random.default_rng(0).normal(size=(4, 1000, 1))).round(-3)
    array([4000.])
    """
    half = draws.shape[1] // 2
    if half < 4:
        return np.full(draws.shape[2], np.nan)
    chains = np.concatenate([draws[:, :half], draws[:, -half:]])
    covariance = _autocovariance(chains)
    within = covariance[0] * half / (half - 1)
    total = within * (half - 1) / half + chains.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = 1.0 - (within - covariance) / total
    correlation[0] = 1.0
    pairs = correlation[: half // 2 * 2].reshape(-1, 2, draws.shape[2]).sum(axis=1)
    positive = np.logical_and.accumulate(pairs > 0, axis=0)
    pairs = np.minimum.accumulate(np.where(positive, pairs, 0.0), axis=0)
    time = -1.0 + 2.0 * pairs.sum(axis=0)
    count = len(chains) * half
    sizes = count / np.maximum(time, 1.0 / np.log10(count))
    return np.where(total > 0, sizes, np.nan)


def _autocovariance(chains: np.ndarray) -> np.ndarray:
    """At each lag (n, dim), the mean over chains (chains, n, dim): of their spectra, before one transform back for all."""
    n = chains.shape[1]
    power = np.zeros((n + 1, chains.shape[2]))
    for chain in chains:
        spectrum = np.fft.rfft(chain - chain.mean(axis=0), 2 * n, axis=0)
        power += spectrum.real**2 + spectrum.imag**2
    return np.fft.irfft(power, 2 * n, axis=0)[:n] / (n * len(chains))
