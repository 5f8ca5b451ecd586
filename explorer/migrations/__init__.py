"""Numbered steps from an older index to the present one, run by Alembic."""
