"""The files of a new pipeline, to be changed into what is wanted.

Here: text that loads, validates and runs as it is on the local environment. Not here: what a file
may contain, which `spec.py` says.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from pathlib import Path

from lake_assets.loader import FILE
from lake_assets.pipeline import ZONE
from resources.errors import UsageError

# The generated table stands in for a real one, so the file runs before anything in it is changed.
# All of its columns are declared: one that is not would be shown as a change of the source.
_TEXT = """\
# 새 파이프라인입니다. 이 파일은 그대로 실행되며, 필요한 대로 고쳐 쓰면 됩니다.
# (로컬 환경의 원천 데이터는 lake demo 가 만듭니다)
#   lake validate          틀린 곳을 줄 번호와 함께 모두 알려 줍니다
#   lake run 'group:{name}' --dry-run   빠진 파티션을 보여 줍니다 (--dry-run 없이 실행)
#   lake schema            편집기 자동 완성에 쓰는 JSON 스키마를 출력합니다
version: 1
title: {name} 파이프라인
description: 무엇을 어디에서 가져와 어떻게 만드는지 한두 문장으로 적습니다.
# 담당: 메일 주소 또는 team:<이름>
owner: team:data
# 0.<동작>, 1.Start:<원천>, 2.End:<목적지>, 주제 (선택: 99.Template)
tags: ["0.수집", "1.Start:BW", "2.End:Lake", "{name}"]

# 파티션: none, 또는 hourly / daily / weekly / monthly 와 첫날 (아시아/서울), 또는 named
partitions:
  daily: {{start: {start}}}

# 실행 시각: 분 시 일 월 요일 (아시아/서울)
schedule:
  cron: "30 6 * * *"

# 실행할 때 바꿀 수 있는 값. SQL에서는 $이름, 원천의 filter에서는 :이름 으로 씁니다.
params:
  least_amount:
    type: int
    default: 0
    help: 이 금액보다 작은 전표 행은 집계하지 않습니다

# 원천 테이블. 있는 그대로 raw/<이름>에 쌓입니다.
sources:
  {name}_lines:
    title: 매출 전표 행
    connection: hana_bw
    schema: SAPBW
    table: /BIC/AZSD_O0100
    # 행을 날짜별 파티션으로 나누는 컬럼
    window: {{column: calday, kind: yyyymmdd}}
    order_by: [doc_number, item]
    # 원천과 합계를 맞춰 볼 컬럼
    sums: [amount]
    # 이름: 형식, 또는 {{type, source, nullable, title, pii}}
    columns:
      doc_number: {{type: string, source: DOC_NUMBER, nullable: false, title: 전표 번호}}
      item: {{type: int32, source: S_ORD_ITEM, nullable: false, title: 전표 행}}
      calday: {{type: string, source: CALDAY, nullable: false, title: 매출일}}
      doc_type: {{type: string, source: DOC_TYPE, title: 전표 유형}}
      sold_to: {{type: string, source: SOLD_TO, title: 고객 번호}}
      material: {{type: string, source: MATERIAL, title: 자재}}
      material_text: {{type: string, source: /BIC/ZMATTXT, title: 자재명}}
      matl_group: {{type: string, source: MATL_GROUP, title: 자재 그룹}}
      plant: {{type: string, source: PLANT, title: 플랜트}}
      quantity: {{type: "decimal(15,3)", source: QUANTITY, title: 수량}}
      unit: {{type: string, source: BASE_UOM, title: 단위}}
      unit_price: {{type: "decimal(18,4)", source: /BIC/ZUNITPR, title: 단가}}
      amount: {{type: "decimal(18,2)", source: AMOUNT, title: 금액}}
      discount: {{type: "decimal(18,2)", source: /BIC/ZDISC, title: 할인}}
      currency: {{type: string, source: DOC_CURRCY, title: 통화}}
      exchange_rate: {{type: "decimal(9,5)", source: EXCHG_RATE, title: 환율}}
      salesperson: {{type: int64, source: /BIC/ZSALESP, title: 영업 사원}}
      remark: {{type: string, source: /BIC/ZREMARK, title: 비고}}
      request: {{type: "decimal(23,0)", source: REQTSN, title: 적재 요청}}
      changed_at: {{type: timestamp, source: CHANGED_AT, title: 변경 시각}}
    # gates: 어긋나면 새 파티션을 내보내지 않고 이전 것을 둡니다
    gates:
      unique: [doc_number, item]
    # checks: 내보낸 뒤에 검사하고, 어긋나면 경고합니다
    checks:
      rows: {{min: 1}}

# 만들어지는 데이터셋. prep/<이름>에 쌓입니다.
datasets:
  {name}_by_group:
    title: 자재 그룹별 매출
    inputs: {{lines: raw/{name}_lines}}
    order_by: [matl_group]
    sql: |
      SELECT
        matl_group,
        count(*) AS line_count,
        CAST(sum(amount) AS DECIMAL(18,2)) AS amount
      FROM lines
      WHERE amount >= $least_amount
      GROUP BY matl_group
    columns:
      matl_group: {{type: string, title: 자재 그룹}}
      line_count: {{type: int64, nullable: false, title: 행 수}}
      amount: {{type: "decimal(18,2)", title: 금액}}
    checks:
      expect:
        counted: line_count > 0
"""


def skeleton(name: str, today: date | None = None) -> dict[str, str]:
    """File name → text of a new pipeline `name`, whose partitions begin with the month before."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UsageError(f"{name!r} is no name of a pipeline: names match [a-z][a-z0-9_]*.")
    this_month = (today or datetime.now(ZONE).date()).replace(day=1)
    start = (this_month - timedelta(days=1)).replace(day=1)
    return {FILE: _TEXT.format(name=name, start=start)}


def write_skeleton(folder: Path, name: str) -> list[Path]:
    """Write them to `<folder>/<name>`, which must not be there yet; the files written."""
    texts = skeleton(name)
    target = folder / name
    try:
        target.mkdir(parents=True)
    except FileExistsError:
        raise UsageError(f"{target} is there already; choose another name.") from None
    except OSError as error:
        raise UsageError(f"{target} cannot be made: {error.strerror}.") from None
    written = []
    for file, text in texts.items():
        path = target / file
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written
