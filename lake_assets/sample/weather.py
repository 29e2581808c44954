"""A stand-in for the KMA's getVilageFcst (기상청 단기예보): its parameters, answers and errors.

Here: forecasts made of the day and the place, in JSON and XML, page by page. No real server's
behaviour is proved by it. Not here: starting it (`services.py`).
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from lake_assets.sample.services import Answer, Request
from resources.json_values import write_json

BASE_TIMES = ("0200", "0500", "0800", "1100", "1400", "1700", "2000", "2300")
_HOURLY = ("TMP", "UUU", "VVV", "VEC", "WSD", "SKY", "PTY", "POP", "WAV", "PCP", "REH", "SNO")
_JSON = {"Content-Type": "application/json;charset=UTF-8"}
_XML = {"Content-Type": "application/xml;charset=UTF-8"}


@dataclass
class WeatherStandin:
    """What answers a request. `key`: the service key that it wants, decoded."""

    key: str | None = None

    def __call__(self, request: Request) -> Answer:
        url = urlsplit(request.target)
        words = {name: values[0] for name, values in parse_qs(url.query).items()}
        if self.key is not None and words.get("serviceKey") != self.key:
            return gateway_error("30", "SERVICE_KEY_IS_NOT_REGISTERED_ERROR")
        if not url.path.endswith("/getVilageFcst"):
            return gateway_error("12", "NO_OPENAPI_SERVICE_ERROR")
        as_json = words.get("dataType", "XML").upper() == "JSON"
        needed = ("base_date", "base_time", "nx", "ny")
        if not all(words.get(name) for name in needed):
            return _answer("11", "NO_MANDATORY_REQUEST_PARAMETERS_ERROR", None, as_json)
        try:
            day = datetime.strptime(words["base_date"], "%Y%m%d").date()  # noqa: DTZ007
            x, y = int(words["nx"]), int(words["ny"])
            page, size = int(words.get("pageNo", 1)), int(words.get("numOfRows", 10))
        except ValueError:
            return _answer("10", "INVALID_REQUEST_PARAMETER_ERROR", None, as_json)
        if (
            words["base_time"] not in BASE_TIMES
            or day > datetime.now(ZoneInfo("Asia/Seoul")).date()
        ):
            return _answer("03", "NO_DATA", None, as_json)
        rows = forecast(day, words["base_time"], x, y)
        body = {
            "dataType": "JSON" if as_json else "XML",
            "items": {"item": rows[(page - 1) * size : page * size]},
            "pageNo": page,
            "numOfRows": size,
            "totalCount": len(rows),
        }
        return _answer("00", "NORMAL_SERVICE", body, as_json)


def forecast(day: date, base_time: str, x: int, y: int) -> list[dict[str, Any]]:
    """The rows of one announcement: each hour of three days, in the KMA's categories."""
    chance = random.Random(f"{day} {base_time} {x} {y}")
    start = datetime(day.year, day.month, day.day, int(base_time[:2]))  # noqa: DTZ001
    rows = []
    for hours in range(1, 68):
        at = start + timedelta(hours=hours)
        season = -math.cos((at.timetuple().tm_yday - 20) / 365 * 2 * math.pi)
        hour = -math.cos((at.hour - 3) / 24 * 2 * math.pi)
        rain = chance.random() < 0.15
        wet = "1.0mm" if rain else "강수없음"
        found = {
            "TMP": f"{12 + 14 * season + 5 * hour + chance.uniform(-1, 1):.0f}",
            "UUU": f"{chance.uniform(-4, 4):.1f}",
            "VVV": f"{chance.uniform(-4, 4):.1f}",
            "VEC": str(chance.randrange(360)),
            "WSD": f"{chance.uniform(0, 6):.1f}",
            "SKY": "4" if rain else chance.choice("13"),
            "PTY": "1" if rain else "0",
            "POP": "70" if rain else chance.choice(("0", "20", "30")),
            "WAV": "0",
            "PCP": wet,
            "REH": str(chance.randrange(30, 96)),
            "SNO": "적설없음",
        }
        extreme = {6: "TMN", 15: "TMX"}.get(at.hour)
        if extreme:
            found[extreme] = f"{float(found['TMP']):.1f}"
        rows += [
            {
                "baseDate": f"{day:%Y%m%d}",
                "baseTime": base_time,
                "category": category,
                "fcstDate": f"{at:%Y%m%d}",
                "fcstTime": f"{at:%H%M}",
                "fcstValue": found[category],
                "nx": x,
                "ny": y,
            }
            for category in (*_HOURLY, *([extreme] if extreme else []))
        ]
    return rows


def gateway_error(code: str, words: str) -> Answer:
    """What the gateway of data.go.kr says, always in XML and with status 200."""
    text = (
        "<OpenAPI_ServiceResponse><cmmMsgHeader><errMsg>SERVICE ERROR</errMsg>"
        f"<returnAuthMsg>{words}</returnAuthMsg><returnReasonCode>{code}</returnReasonCode>"
        "</cmmMsgHeader></OpenAPI_ServiceResponse>"
    )
    return Answer(200, text.encode(), _XML)


def _answer(code: str, words: str, body: Mapping[str, Any] | None, as_json: bool) -> Answer:
    header = {"resultCode": code, "resultMsg": words}
    response = {"header": header} | ({"body": body} if body is not None else {})
    if as_json:
        return Answer(200, write_json({"response": response}).encode(), _JSON)
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    return Answer(200, (head + _xml("response", response)).encode(), _XML)


def _xml(name: str, value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "".join(_xml(name, one) for one in value)
    inner = (
        "".join(_xml(key, one) for key, one in value.items())
        if isinstance(value, Mapping)
        else escape(str(value))
    )
    return f"<{name}>{inner}</{name}>"
