"""Inside an Airflow: when the timetable of the exported files fires, as JSON on the last line.

`ticks.py FILE`; the file is JSON: a list of [cron, zone, from, to], times in UTC.
"""

import json
import sys
from pathlib import Path

import pendulum

try:
    from airflow.sdk import CronDataIntervalTimetable as Declared
    from airflow.serialization.encoders import coerce_to_core_timetable
except ImportError:
    from airflow.timetables.interval import CronDataIntervalTimetable as Declared

    coerce_to_core_timetable = None
from airflow.timetables.base import DataInterval, TimeRestriction


def ticks(cron, zone, begin, end):
    """The ends of the intervals: what a task gets as `data_interval_end`, in seconds."""
    timetable = Declared(cron, timezone=pendulum.timezone(zone))
    if coerce_to_core_timetable is not None:
        timetable = coerce_to_core_timetable(timetable)
    begin, end = (pendulum.parse(one) for one in (begin, end))
    restriction = TimeRestriction(earliest=begin, latest=None, catchup=True)
    last, found = None, []
    while True:
        info = timetable.next_dagrun_info(
            last_automated_data_interval=last, restriction=restriction
        )
        last = DataInterval(info.data_interval.start, info.data_interval.end)
        if last.end > end:
            return found
        found.append(int(last.end.timestamp()))


asked = json.loads(Path(sys.argv[1]).read_text())
print(json.dumps([ticks(*one) for one in asked]))
