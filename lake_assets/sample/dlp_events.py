"""Generated DLP events: what leaves a company's computers, and what the agents did about it.

Here: the index of the stand-in for Elasticsearch. Not here: the server (`search_index.py`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from lake_assets.sample.generate import SEED, last_day
from lake_assets.sample.search_index import Index
from resources.settings import Sample

#: Events on a working day at scale 1.
_A_DAY = 10
_CHANNELS = ("USB", "메일", "웹 업로드", "메신저", "출력")
_POLICIES = {"P-101": "주민등록번호", "P-102": "계좌번호", "P-201": "도면", "P-301": "소스 코드"}
_FILES = (
    "거래처 명단.xlsx",
    "급여_내역.xlsx",
    "견적서.pdf",
    '설계 도면 "A".dwg',
    "회의록\n(최종).docx",
)
_KEYWORD = {"type": "keyword"}

MAPPINGS: dict[str, Any] = {
    "properties": {
        "@timestamp": {"type": "date"},
        "event_id": _KEYWORD,
        "user": {"properties": {"id": _KEYWORD, "name": _KEYWORD, "department": _KEYWORD}},
        "host": {"properties": {"name": _KEYWORD, "ip": {"type": "ip"}}},
        "channel": _KEYWORD,
        "action": _KEYWORD,
        "severity": {"type": "integer"},
        "file": {"properties": {"name": _KEYWORD, "bytes": {"type": "long"}}},
        "matches": {
            "properties": {"policy": _KEYWORD, "name": _KEYWORD, "count": {"type": "long"}}
        },
    }
}


def index(sample: Sample | None) -> Index:
    """The events of the sample's days; of none where there is no sample."""
    if sample is None:
        return Index(MAPPINGS, [])
    last = last_day(sample, datetime.now(ZoneInfo("Asia/Seoul")).date())
    days = (last - timedelta(days=back) for back in reversed(range(sample.days)))
    return Index(MAPPINGS, [one for day in days for one in _events(day, sample.scale)])


def _events(day: date, scale: float) -> Iterator[tuple[str, dict[str, Any]]]:
    chance = random.Random(f"{SEED} {day}")
    working = day.weekday() < 5
    count = max(1, round(_A_DAY * scale * (1.0 if working else 0.1)))
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001
    for number in range(count):
        at = midnight + timedelta(milliseconds=chance.randrange(86_400_000))
        person = chance.randrange(1, 200)
        policy = chance.choice(list(_POLICIES))
        identity = f"{day:%Y%m%d}-{number:05}"
        yield (
            identity,
            {
                "@timestamp": f"{at.isoformat(timespec='milliseconds')}+09:00",
                "event_id": identity,
                "user": {
                    "id": f"U{person:04}",
                    "name": f"직원{person:03}",
                    "department": f"D{person % 12:02}",
                },
                "host": {"name": f"PC-{person:04}", "ip": f"10.1.{person // 50}.{person % 50 + 1}"},
                "channel": chance.choice(_CHANNELS),
                "action": "차단" if chance.random() < 0.2 else "허용",
                "severity": chance.choice((1, 1, 1, 2, 2, 3)),
                "file": {
                    "name": chance.choice(_FILES),
                    "bytes": int(chance.lognormvariate(12, 2)),
                },
                "matches": [
                    {"policy": policy, "name": _POLICIES[policy], "count": chance.randrange(1, 40)}
                ]
                if chance.random() < 0.4
                else [],
            },
        )
