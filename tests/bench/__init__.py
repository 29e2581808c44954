"""What is measured, as ratios against a peer in one run.

Not here: tests that pass or fail on time.
"""
