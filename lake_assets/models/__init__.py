"""Models: examples of earlier partitions, fitting, scoring, MLflow.

Here: what a model's partition and a partition of scores are made of. Not here: reading inputs and
publishing (`materialise.py`, which calls this) and anything of Dagster.
"""
