"""Timed comparisons with the obvious alternative, in the same run. Not tests."""
