"""One module a signal. Not here: work that an asset should do."""
