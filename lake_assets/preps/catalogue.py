"""The whole catalogue: the prep functions, and `null` of the transforms beside them.

Here: what pipeline files, documentation and tests go by. Not here: functions, and how one gets
into the catalogue (`prep.py`).
"""

from __future__ import annotations

import lake_assets.preps
import lake_assets.xforms

CATALOGUE = lake_assets.preps.CATALOGUE
