"""What Slope does with libraries that it can do without: each is an extra of its package."""


def how_to_add(extra: str) -> str:
    """A command, and where to run it: Slope is on no package index, so an extra comes from where Slope came from."""
    return f"pip install -e '.[{extra}]' in a clone of Slope"
