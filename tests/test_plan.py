"""What a request means: selection, partitions, waves of runs, reasons, mistakes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from hypothesis import given
from hypothesis import strategies as st

from lake_assets.plan import History, Plan, Unit, plan, short
from lake_assets.targets import Ask, Targets, select, targets
from lake_assets.versions import input_digest
from resources.errors import UsageError
from tests.small_lake import DAILY, defs, key

GRAPH = defs.get_repository_def().asset_graph
DAYS = list(DAILY.get_partition_keys())
JANUARY = [day for day in DAYS if day.startswith("2025-01")]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def made(
    instance: dg.DagsterInstance,
    asset: str,
    partitions: Sequence[str],
    inputs: Mapping[str, Sequence[str]] | None = None,
    version: str = "a",
    code: str = "1",
) -> None:
    """Materialisations of `partitions`, made from `inputs` whose versions are all 'a'."""
    for one in partitions:
        versions = {
            name: input_digest(dict.fromkeys([one] if read == ["same"] else read, "a"))
            for name, read in (inputs or {}).items()
        }
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                key(asset),
                partition=one or None,
                metadata={
                    "lake/data_version": version,
                    "lake/input_versions": json.dumps(versions),
                },
                tags={"dagster/code_version": code},
            )
        )


def everything(instance: dg.DagsterInstance, days: Sequence[str] = JANUARY) -> None:
    made(instance, "raw/customer", [""])
    made(instance, "raw/sales", days)
    made(instance, "prep/sales", days, {"raw/sales": ["same"], "raw/customer": [""]})


def planned(
    instance: dg.DagsterInstance,
    *selection: str,
    gone: Sequence[Unit] = (),
    settled: Mapping[Unit, bool] | None = None,
    **ask: object,
) -> Plan:
    history = History(instance, lambda asset, one: (asset, one) not in gone)
    wanted = targets(GRAPH, Ask(selection, **ask))  # type: ignore[arg-type]
    return plan(GRAPH, history, wanted, settled)


def told(found: Plan) -> list[list[str]]:
    """Waves as `assets partitions: reasons` lines."""
    return [
        [
            f"{' '.join(one.to_user_string() for one in step.assets)} {short(step.partitions)}: "
            f"{'; '.join(dict.fromkeys(step.reasons.values()))}"
            for step in wave
        ]
        for wave in found.waves
    ]


def skipped(found: Plan) -> list[str]:
    return [
        f"{skip.asset.to_user_string()} {short(skip.partitions)}: "
        f"{skip.reason if skip.kind != 'up to date' else skip.kind}"
        for skip in found.skipped
    ]


def test_nothing_there_yet_comes_in_chunks_and_waves(instance: dg.DagsterInstance) -> None:
    found = planned(instance, "*")
    spans = ["2025-01-01 … 2025-01-31 (31)", "2025-02-01 … 2025-03-03 (31)"]
    assert found.skipped == ()
    # raw/customer feeds prep/sales, so the days of prep/sales wait for it.
    assert told(found) == [
        ["raw/customer : missing", *(f"raw/sales {span}: missing" for span in spans)],
        [f"prep/sales {span}: missing" for span in spans],
        ["prep/month 2025-01, 2025-02: missing"],
    ]


def test_assets_of_the_same_partitions_share_a_run(instance: dg.DagsterInstance) -> None:
    made(instance, "raw/customer", [""])
    found = planned(instance, "group:sales", "raw/customer", start="2025-01", end="2025-01")
    assert told(found) == [
        ["raw/sales prep/sales 2025-01-01 … 2025-01-31 (31): missing"],
        ["prep/month 2025-01: missing"],
    ]
    assert skipped(found) == ["raw/customer : up to date"]


def test_all_up_to_date_says_since_when_in_seoul(instance: dg.DagsterInstance) -> None:
    everything(instance)
    found = planned(instance, "raw/sales", "prep/sales", end="2025-01-31")
    assert found.waves == ()
    assert skipped(found) == [
        "raw/sales 2025-01-01 … 2025-01-31 (31): up to date",
        "prep/sales 2025-01-01 … 2025-01-31 (31): up to date",
    ]
    assert found.skipped[0].reason.startswith("up to date since 20")


@pytest.mark.parametrize(
    ("selection", "ask", "steps"),
    [
        (("prep/sales",), {"partition": "2025-01-05"}, [["prep/sales 2025-01-05: asked"]]),
        (
            ("+prep/sales",),
            {"partition": "2025-01-05"},
            [["raw/sales prep/sales 2025-01-05: asked"]],
        ),
        (
            ("prep/sales",),
            {"start": "2025-01-30", "end": "2025-01-31", "force": True},
            [["prep/sales 2025-01-30, 2025-01-31: forced"]],
        ),
        (("raw/customer",), {"force": True}, [["raw/customer : forced"]]),
        (("raw/customer",), {}, []),
    ],
)
def test_what_runs_although_it_is_up_to_date(
    instance: dg.DagsterInstance, selection: Sequence[str], ask: dict[str, str], steps: list[str]
) -> None:
    everything(instance)
    assert told(planned(instance, *selection, **ask)) == steps


def test_reasons(instance: dg.DagsterInstance) -> None:
    everything(instance)
    day = JANUARY[3]
    gone = [(key("raw/sales"), JANUARY[0])]
    made(instance, "raw/sales", [JANUARY[1]], code="0")
    made(instance, "raw/sales", [day], version="b")
    found = planned(instance, "raw/sales", "prep/sales", end="2025-01-31", gone=gone)
    assert told(found) == [
        [
            "raw/sales 2025-01-01, 2025-01-02: file missing from the store, code changed",
            "prep/sales 2025-01-04: input raw/sales changed",
        ],
        # Whether they have to run is known when raw/sales has run: its content may be the same.
        ["prep/sales 2025-01-01, 2025-01-02: input raw/sales runs first"],
    ]


def test_an_input_that_came_out_the_same_changes_nothing(instance: dg.DagsterInstance) -> None:
    everything(instance)
    made(instance, "raw/sales", [JANUARY[0]], code="1")
    ran = {(key("raw/sales"), JANUARY[0]): True}
    found = planned(instance, "+prep/sales", start="2025-01-01", end="2025-01-01", settled=ran)
    assert (told(found), skipped(found)) == (
        [],
        ["raw/customer : up to date", "prep/sales 2025-01-01: up to date"],
    )


def test_a_hand_written_asset_goes_by_time(instance: dg.DagsterInstance) -> None:
    made(instance, "raw/customer", [""])
    made(instance, "raw/sales", JANUARY[:2])
    made(instance, "prep/sales", JANUARY[:2])
    made(instance, "raw/sales", JANUARY[1:2])
    found = planned(instance, "prep/sales", end="2025-01-02")
    assert told(found) == [["prep/sales 2025-01-02: input raw/sales changed"]]


def test_a_month_waits_for_its_days(instance: dg.DagsterInstance) -> None:
    everything(instance, [day for day in JANUARY if day not in ("2025-01-07", "2025-01-08")])
    found = planned(instance, "prep/month", partition="2025-01")
    assert (told(found), skipped(found)) == (
        [],
        ["prep/month 2025-01: input prep/sales 2025-01-07, 2025-01-08 is missing"],
    )
    assert found.skipped[0].kind == "not yet"
    # Where the days run with it, it comes after them.
    found = planned(instance, "+prep/month", start="2025-01", end="2025-01")
    assert told(found) == [
        ["raw/sales prep/sales 2025-01-07, 2025-01-08: missing"],
        ["prep/month 2025-01: missing"],
    ]


def test_days_that_are_still_to_come(instance: dg.DagsterInstance) -> None:
    """A month of a hand-written asset may begin before its days do, and ends with the last."""
    days = dg.DailyPartitionsDefinition("2025-01-30", end_date="2025-02-27", timezone="Asia/Seoul")
    months = dg.MonthlyPartitionsDefinition(
        "2025-01", end_date="2025-03", timezone="Asia/Seoul", fmt="%Y-%m"
    )

    @dg.asset(partitions_def=days)
    def of_day() -> None: ...

    @dg.asset(partitions_def=months, deps=[of_day])
    def of_month() -> None: ...

    graph = dg.Definitions(assets=[of_day, of_month]).get_repository_def().asset_graph
    made(instance, "of_day", list(days.get_partition_keys()))
    wanted = targets(graph, Ask(("of_month",)))
    found = plan(graph, History(instance, lambda _key, _one: True), wanted)
    assert told(found) == [["of_month 2025-01: missing"]]
    assert skipped(found) == ["of_month 2025-02: input of_day 2025-02-27, 2025-02-28 is missing"]


def test_what_failed_stops_what_reads_it(instance: dg.DagsterInstance) -> None:
    everything(instance)
    made(instance, "raw/sales", JANUARY, version="b")
    settled = {(key("prep/sales"), day): day != "2025-01-03" for day in JANUARY}
    found = planned(
        instance, "prep/sales", "prep/month", start="2025-01", end="2025-01", settled=settled
    )
    assert skipped(found) == ["prep/month 2025-01: input prep/sales 2025-01-03 failed"]
    assert found.skipped[0].kind == "failed"


def test_partitions_that_only_some_assets_need_are_runs_of_their_own(
    instance: dg.DagsterInstance,
) -> None:
    made(instance, "raw/customer", [""])
    made(instance, "raw/sales", [day for day in JANUARY if day != "2025-01-10"])
    found = planned(instance, "raw/sales", "prep/sales", start="2025-01-08", end="2025-01-12")
    assert told(found) == [
        [
            "prep/sales 2025-01-08, 2025-01-09: missing",
            "raw/sales prep/sales 2025-01-10: missing",
            "prep/sales 2025-01-11, 2025-01-12: missing",
        ]
    ]


@pytest.mark.parametrize(
    ("start", "end", "days", "months", "outside"),
    [
        ("2025-01-15", "2025-02-28", 45, ["2025-02"], ""),
        ("2025-01", "2025-02", 59, ["2025-01", "2025-02"], ""),
        (None, "2025-01-02", 2, [], "no whole month in the range"),
        ("2025-01-31", "2025-02-02", 3, [], "no whole month in the range"),
        (
            "2025-03-01",
            None,
            3,
            [],
            "none in the range: there is 2025-01 … 2025-02 (2 partitions)",
        ),
    ],
)
def test_bounds_hold_what_lies_in_them(
    instance: dg.DagsterInstance,
    start: str | None,
    end: str | None,
    days: int,
    months: list[str],
    outside: str,
) -> None:
    told_outside = [f"prep/month {outside}"] if outside else []
    skips = planned(instance, 'key:"prep/*"', start=start, end=end).skipped
    assert [
        f"{one.asset.to_user_string()} {one.reason}" for one in skips if one.kind == "outside"
    ] == told_outside
    found = targets(GRAPH, Ask(('key:"prep/*"',), start=start, end=end))
    assert len(found.partitions[key("prep/sales")]) == days
    assert list(found.partitions.get(key("prep/month"), ())) == months


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        ("prep/sales", "prep/sales"),
        ('key:"prep/sales"', "prep/sales"),
        ("+prep/month", "prep/month prep/sales raw/customer raw/sales"),
        ("1+prep/month", "prep/month prep/sales"),
        ("raw/sales+", "prep/month prep/sales raw/sales"),
        ("raw/*", "raw/customer raw/sales"),
        ("raw/* and not raw/sales", "raw/customer"),
        ("raw/customer or (group:sales and prep/*)", "prep/month prep/sales raw/customer"),
        ("*", "prep/month prep/sales raw/customer raw/sales"),
    ],
)
def test_selections(selection: str, chosen: str) -> None:
    found = sorted(one.to_user_string() for one in select(GRAPH, [selection]))
    assert " ".join(found) == chosen


THERE_IS = "there is 2025-01-01 … 2025-03-03 (62 partitions)"


@pytest.mark.parametrize(
    ("selection", "ask", "message"),
    [
        ("prep/sale", {}, "did you mean 'prep/sales'? allowed: prep/month, prep/sales, raw/cust"),
        ("+prep/sale", {}, "did you mean 'prep/sales'?"),
        ("sales", {}, "'sales' names an asset that does not exist; "),
        ("raw/z*", {}, "'raw/*'                       by pattern"),
        ("group:sale", {}, "selects nothing; group 'sale': did you mean 'sales'?"),
        ('key:"raw/z*"', {}, "selects nothing"),
        ("((", {}, "'((' is not a selection"),
        ("raw/sales or", {}, "is not a selection"),
        ("src/hana_bw/sales", {}, "only read; what is made from it: raw/sales."),
        (
            "raw/sales",
            {"partition": "2025-13-01"},
            f"raw/sales has no partition '2025-13-01'; write a day as YYYY-MM-DD; {THERE_IS}.",
        ),
        ("raw/sales", {"partition": "2025-1-1"}, "'2025-1-1'; write a day as YYYY-MM-DD; there"),
        ("prep/month", {"partition": "2025-1"}, "'2025-1'; write a month as YYYY-MM; there is"),
        ("raw/sales", {"partition": "2025-03-04"}, f"'2025-03-04'; it is outside: {THERE_IS}"),
        (
            "raw/sales",
            {"partition": "2025-01"},
            "raw/sales has no partition '2025-01'; the days of a month are --from 2025-01 --to "
            f"2025-01; {THERE_IS}.",
        ),
        (
            "prep/month",
            {"partition": "2025-01-01"},
            "write a month as YYYY-MM; there is 2025-01 … 2025-02 (2 partitions)",
        ),
        (
            'key:"prep/*"',
            {"partition": "2025-01-01"},
            "--partition 2025-01-01 is a partition of prep/sales, but not of prep/month (there is "
            "2025-01 … 2025-02 (2 partitions)). Select them apart, or name days and months at once "
            "with --from and --to.",
        ),
        ("raw/customer", {"partition": "2025-01-01"}, "None of the selected assets has partitions"),
        ("raw/customer", {"start": "2025-01-01"}, "leave out --from and --to"),
        ("raw/sales", {"start": "2025-02-30"}, "--from 2025-02-30: no such day"),
        ("raw/sales", {"end": "January"}, "--to January: no such day; write YYYY-MM-DD or YYYY-MM"),
        (
            "raw/sales",
            {"start": "2025-02-02", "end": "2025-02-01"},
            "is later than --to 2025-02-01",
        ),
        ("raw/sales", {"start": "2026-01", "end": "2026-02"}, f"raw/sales: {THERE_IS}"),
        ("raw/sales", {"partition": "2025-01-01", "start": "2025-01"}, "not both"),
    ],
)
def test_mistakes(selection: str, ask: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        targets(GRAPH, Ask((selection,), **ask))  # type: ignore[arg-type]
    assert message in str(caught.value)


# --- days with names -----------------------------------------------------------------------------

NAMED = dg.MultiPartitionsDefinition(
    {
        "day": dg.DailyPartitionsDefinition(
            "2025-01-01", end_date="2025-01-13", timezone="Asia/Seoul"
        ),
        "name": dg.StaticPartitionsDefinition(["A", "B", "C", "D"]),
    }
)
NAMED_KEYS = list(map(str, NAMED.get_partition_keys()))


def _named_graph(size: int) -> AssetGraph:
    def asset(name: str) -> dg.AssetsDefinition:
        @dg.asset(
            key=["raw", name],
            partitions_def=NAMED,
            backfill_policy=dg.BackfillPolicy.multi_run(size),
        )
        def made() -> None: ...

        return made

    return dg.Definitions(assets=[asset("a"), asset("b")]).resolve_asset_graph()


@given(st.sets(st.sampled_from(NAMED_KEYS)), st.sampled_from([1, 5, 12, 31]))
def test_runs_of_days_with_names_are_what_dagster_makes_of_their_ends(
    made: set[str], size: int
) -> None:
    """A run is told its first and last partition; Dagster takes each day of each name between."""
    graph = _named_graph(size)
    with dg.DagsterInstance.ephemeral() as instance:
        for one in made:
            event = dg.AssetMaterialization(key("raw/a"), partition=one)
            instance.report_runless_asset_event(event)
        history = History(instance, lambda asset, one: True)
        wanted = Targets({key("raw/a"): tuple(NAMED_KEYS)}, {})
        (steps,) = plan(graph, history, wanted).waves or ((),)
    for step in steps:
        ends = dg.PartitionKeyRange(step.partitions[0], step.partitions[-1])
        assert list(map(str, NAMED.get_partition_keys_in_range(ends))) == list(step.partitions)
        assert len(step.partitions) <= size
    found = [one for step in steps for one in step.partitions]
    assert sorted(found) == sorted({*NAMED_KEYS} - made)


def test_the_times_of_a_name_come_first(instance: dg.DagsterInstance) -> None:
    graph, history = _named_graph(24), History(instance, lambda asset, one: True)
    wanted = Targets({key("raw/a"): tuple(NAMED_KEYS), key("raw/b"): ("2025-01-02|C",)}, {})
    (steps,) = plan(graph, history, wanted).waves
    told = [
        (short(step.partitions, step.definition), [one.path[-1] for one in step.assets])
        for step in steps
    ]
    assert told == [
        ("2025-01-01|A … 2025-01-12|B (24)", ["a"]),
        ("2025-01-01|D … 2025-01-12|D (12)", ["a"]),
        ("2025-01-01|C", ["a"]),
        ("2025-01-02|C", ["a", "b"]),
        ("2025-01-03|C … 2025-01-12|C (10)", ["a"]),
    ]


@pytest.mark.parametrize(
    ("partitions", "definition", "shown"),
    [
        (["2025-01-06", "2025-01-13", "2025-02-03"],
         dg.WeeklyPartitionsDefinition("2025-01-06", day_offset=1), " (3 of 5)"),
        (["2025-01-06", "2025-01-13", "2025-01-20"],
         dg.WeeklyPartitionsDefinition("2025-01-06", day_offset=1), " (3)"),
        (["2025-01-06", "2025-01-13", "2025-01-20"], dg.DailyPartitionsDefinition("2025-01-01"),
         " (3 of 15)"),
        (["2025-01-01-22", "2025-01-01-23", "2025-01-02-01"],
         dg.HourlyPartitionsDefinition("2025-01-01-00", fmt="%Y-%m-%d-%H"), " (3 of 4)"),
        (["A", "B", "D"], dg.StaticPartitionsDefinition(["A", "B", "C", "D"]), " (3 of 4)"),
        (["2025-01", "2025-02", "2025-12"],
         dg.MonthlyPartitionsDefinition("2025-01", fmt="%Y-%m"), " (3 of 12)"),
        (["2025-01", "2025-02", "2025-12"], None, " (3)"),
    ],
)  # fmt: skip
def test_gaps_are_counted_as_the_cadence_has_it(
    partitions: list[str], definition: dg.PartitionsDefinition[str] | None, shown: str
) -> None:
    assert short(partitions, definition) == f"{partitions[0]} … {partitions[-1]}{shown}"
