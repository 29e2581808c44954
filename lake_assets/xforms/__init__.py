"""Transforms beside the prep functions: what the lake that this one was ported from kept apart.

Here: the public names. Not here: the prep functions (`preps/`), whose catalogue these share.
"""

from __future__ import annotations

from lake_assets.xforms.null import null

__all__ = ["null"]
