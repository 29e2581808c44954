"""The `lake` command: words in, words out. Not here: the logic behind a word."""
