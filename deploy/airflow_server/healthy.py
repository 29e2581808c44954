"""The health check of a worker's container: whether its Celery worker answers over the broker.

It asks Celery itself and does not import Airflow, which would cost a minute's check 2 CPU seconds.
"""

from __future__ import annotations

import os
import socket
import sys

from celery import Celery

if __name__ == "__main__":
    broker = os.environ.get("AIRFLOW__CELERY__BROKER_URL")
    if not broker:
        sys.exit("AIRFLOW__CELERY__BROKER_URL is not set")
    name = f"celery@{socket.gethostname()}"
    with Celery(broker=broker) as app:
        answers = app.control.ping(destination=[name], timeout=10, limit=1)
    if not answers:
        sys.exit(f"{name} does not answer")
