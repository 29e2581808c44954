"""Real servers, started for the tests on free ports in folders of their own."""
