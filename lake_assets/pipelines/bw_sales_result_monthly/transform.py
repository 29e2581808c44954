"""월별 영업매출에서 SQL로 쓰기 번거로운 부분: 거래처 순위와 ABC 등급.

Here: pure functions frame → frame, arguments named as the inputs in `pipeline.yaml`. Not here:
reading and writing; the declared columns and types are checked when the result is written.
"""

from __future__ import annotations

import polars as pl


def rank_customers(
    sales: pl.DataFrame, master: pl.DataFrame, *, a_share: float, b_share: float
) -> pl.DataFrame:
    """한 달 순매출액 순위와 등급. 순매출액이 음수인 거래처(반품만)는 비율에 넣지 않고 C등급."""
    total = (
        sales.group_by("customer")
        .agg(pl.col("net_amount").sum().cast(pl.Decimal(18, 2)))
        .sort(["net_amount", "customer"], descending=[True, False])
    )
    # 누적 비율은 센트 단위 정수로 더해, 행 순서가 같으면 언제나 같은 값입니다.
    cents = (pl.col("net_amount") * 100).cast(pl.Int64).clip(lower_bound=0)
    share = cents.cum_sum() / cents.sum()
    # 등급은 이 거래처 앞까지의 누적으로 정합니다: 혼자 70%를 넘는 거래처도 A입니다.
    before = (cents.cum_sum() - cents) / cents.sum()
    return (
        total.with_columns(
            rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32),
            cumulative_share=share,
            grade=pl.when(pl.col("net_amount") <= 0)
            .then(pl.lit("C"))
            .when(before < a_share)
            .then(pl.lit("A"))
            .when(before < b_share)
            .then(pl.lit("B"))
            .otherwise(pl.lit("C")),
        )
        .join(master.select("customer", "name", "segment"), on="customer", how="left")
        .with_columns(pl.col("segment").fill_null("기타"))
        .sort("rank")
        .select("rank", "customer", "name", "segment", "net_amount", "cumulative_share", "grade")
    )
