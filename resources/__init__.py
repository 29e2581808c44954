"""How systems are reached and streamed from, the lake store, and settings. Not here: assets."""
