"""What README and docs show as a pipeline file is one. Not here: running it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from lake_assets.spec.pipeline import PipelineSpec

ROOT = Path(__file__).parents[1]
HEAD = """\
version: 1
title: 제목
description: 설명
owner: team:data
tags: ["0.ML", "1.Start:HDFS", "2.End:HDFS", 모델]
partitions: {monthly: {start: "2024-12-01"}}
"""


@pytest.mark.parametrize(("document", "head"), [("README.md", ""), ("docs/models.md", HEAD)])
def test_a_pipeline_that_is_shown_is_one(document: str, head: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    PipelineSpec.model_validate(yaml.safe_load(head + shown))
