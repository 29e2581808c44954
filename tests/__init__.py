"""Mirrors the packages. `servers/` starts real servers, `bench/` measures."""
