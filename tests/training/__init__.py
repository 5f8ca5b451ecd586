"""Tests of the training code and of the shipped weights."""
