"""Word lists as readable text."""


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def phrases(text: str) -> frozenset[str]:
    """The phrases of a text, which commas part."""
    return frozenset(" ".join(part.split()) for part in text.split(",") if part.strip())
