"""Small pages of HTML for people: no script, nothing from elsewhere."""

import re
from collections.abc import Iterable
from html import escape

Content = Iterable[str]

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>:root {{ color-scheme: light dark; font: 1.1rem/1.5 system-ui, sans-serif }}
body {{ max-width: 40rem; margin: 3rem auto; padding: 0 1rem }}</style>
<h1>{title}</h1>
{content}
</html>
"""


def html_page(title: str, content: Content) -> str:
    """A page of paragraphs and links, which are HTML already."""
    return _PAGE.format(title=escape(title), content="\n".join(content))


def paragraph(text: str) -> str:
    """Plain text, in which names stand between backticks."""
    marked = re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))
    return f"<p>{marked}</p>"


def link(address: str, name: str) -> str:
    return f'<p><a href="{escape(address)}">{escape(name)}</a></p>'
