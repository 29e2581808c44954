"""Dagster graphs as Airflow DAG files. Imports Dagster and nothing else of this repository."""
