"""Detectors: pictures to named boxes, their colours, and the rules that judge them."""
