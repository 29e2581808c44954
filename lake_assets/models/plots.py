"""The pictures of a training run: precision and recall, calibration, importance of features.

Here: matplotlib figures from numbers, with a Korean font where the machine has one. Not here: the
numbers (`scores.py`) and where pictures go (`registry.py`).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve

from lake_assets.models.examples import Floats

#: In the order of preference; DejaVu comes with matplotlib and has no Korean.
_FONTS = ("Noto Sans CJK KR", "NanumGothic", "NanumSquareRound", "Malgun Gothic", "AppleGothic")

_BINS = 10


@contextmanager
def drawing() -> Iterator[None]:
    """Fonts for Korean, and silence: a missing glyph is a box in the picture, no line in a log.

    Figures are made without pyplot, so no display, no global state, nothing to close.
    """
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        family: dict[Any, Any] = {"font.family": _families(), "axes.unicode_minus": False}
        with mpl.rc_context(family), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            yield
    finally:
        logger.setLevel(level)


@cache
def _families() -> list[str]:
    there = {font.name for font in font_manager.fontManager.ttflist}
    return [*(name for name in _FONTS if name in there), "DejaVu Sans"]


def precision_recall(target: Any, values: Mapping[str, Floats], title: str) -> Figure:
    """One curve for each of `values`: model, baseline, champion."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    for name, one in values.items():
        precision, recall, _ = precision_recall_curve(target, one)
        axes.plot(recall, precision, label=name, drawstyle="steps-post")
    axes.axhline(float(np.mean(target)), color="grey", linestyle=":", label="share of 1")
    axes.set(xlabel="recall", ylabel="precision", title=title, xlim=(0, 1), ylim=(0, 1.02))
    axes.legend()
    return figure


def calibration(target: Any, values: Floats, title: str) -> Figure:
    """The share of 1 among examples of about equal probability, in ten groups of equal size."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    order = np.argsort(values, kind="stable")
    groups = [one for one in np.array_split(order, _BINS) if len(one)]
    truth = np.asarray(target, dtype=float)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.plot(
        [values[one].mean() for one in groups], [truth[one].mean() for one in groups], marker="o"
    )
    axes.set(xlabel="predicted", ylabel="observed", title=title, xlim=(0, 1), ylim=(0, 1))
    return figure


def importance(drops: Mapping[str, float], title: str) -> Figure:
    """How much the score falls when a feature's values are shuffled, the largest on top."""
    figure = Figure(figsize=(8, 1 + 0.3 * len(drops)), layout="constrained")
    axes = figure.subplots()
    ordered = sorted(drops.items(), key=lambda item: item[1])
    axes.barh([name for name, _ in ordered], [drop for _, drop in ordered])
    axes.set(xlabel="score lost when shuffled", title=title)
    return figure
