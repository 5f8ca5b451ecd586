"""Answerers of questions about pictures: local networks, and models behind an API."""
