"""Dagster's own public examples, rebuilt in small form with their structure and names.

Written anew after the pages that each module names; the originals are Copyright Dagster Labs, Inc.
and others, licensed under the Apache License 2.0 (https://github.com/dagster-io/dagster). What they
fetch from the Internet is a few rows in the module instead.
"""
