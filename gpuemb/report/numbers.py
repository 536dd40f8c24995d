"""Numbers as an American reader expects them."""

from __future__ import annotations

import math

MISSING = "–"
_ALMOST = 1e-12  # a mean of exact fractions is this close to the fraction it stands for


def whole(x: float) -> str:
    """``2450000`` → ``'2,450,000'``."""
    return f"{x:,.0f}"


def number(x: float | None) -> str:
    """Three significant digits or so, never scientific above one billionth; an en dash for nothing."""
    if x is None or math.isnan(x):
        return MISSING
    size = abs(x)
    if size == 0 or size < 1e-9:
        return "0" if size == 0 else f"{x:.1e}".replace("-", "−")
    if size >= 1000:
        text = f"{x:,.0f}"
    elif size >= 10:
        text = f"{x:.1f}"
    elif size >= 1:
        text = f"{x:.2f}"
    else:
        text = f"{x:.{max(3, 1 - math.floor(math.log10(size)))}f}"
    return text.replace("-", "−")


def hundredths(x: float) -> str:
    """``0.838`` → ``'0.84'``, ``-0.001`` → ``'0.00'``: as exact as a correlation is worth reading."""
    return f"{round(x, 2) + 0.0:.2f}".replace("-", "−")


def part(x: float, total: int) -> str:
    """``x`` of ``total`` things: never rounded up to all of them, nor down to none."""
    if x <= _ALMOST:
        return "0"
    if x >= total - _ALMOST:
        return f"{total:,}"
    for decimals in (1, 2, 3):
        text = f"{x:,.{decimals}f}"
        if 0 < float(text.replace(",", "")) < total:
            return text
    return "<0.001" if x < 0.001 else f">{total - 0.001:,.3f}"


def percent(share: float) -> str:
    """``0.634`` → ``'63%'``; a share strictly between none and all never reads as either."""
    if share <= _ALMOST:
        return "0%"
    if share >= 1 - _ALMOST:
        return "100%"
    if 0.01 <= share <= 0.985:
        return f"{100 * share:.0f}%"
    if share < 0.0005 or share > 0.9995:
        return "<0.1%" if share < 0.5 else ">99.9%"
    return f"{100 * share:.1f}%"


def times(ratio: float) -> str:
    """``634.2`` → ``'630 times'``: two digits are all that such a ratio bears."""
    if ratio < 10:
        return f"{ratio:.1f} times"
    step = 10 ** (math.floor(math.log10(ratio)) - 1)
    return f"{round(ratio / step) * step:,} times"


def seconds(value: float) -> str:
    """``127.4`` → ``'2 min 7 s'``."""
    if value < 10:
        return f"{value:.2f} s"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def plural(count: int, thing: str) -> str:
    """``(1, 'run')`` → ``'1 run'``, ``(5, 'run')`` → ``'5 runs'``."""
    return f"{whole(count)} {thing}{'' if count == 1 else 's'}"


def enumerated(parts: list[str]) -> str:
    """``['a', 'b', 'c']`` → ``'a, b and c'``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def interval(low: float, high: float) -> str:
    """``'0.612 to 0.645'``."""
    return f"{number(low)} to {number(high)}"
