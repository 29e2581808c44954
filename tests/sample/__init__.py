"""The generated sources, the shipped pipelines and environments."""
