"""HTML from parts, in which nothing that others wrote can become markup.

What is not `Html` is text, and is escaped; only `element` and `joined` make `Html`. Forgetting that
costs a page that looks wrong, never a hole.
"""

import re
from html import escape
from typing import Final, TypeAlias

_VOID: Final = frozenset({"input", "meta", "br"})
# Halves of surrogate pairs, which JSON may hold, have no UTF-8; control characters have no meaning.
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

Attribute: TypeAlias = str | bool | None


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def element(tag: str, *content: str | None, **attributes: Attribute) -> Html:
    """One element with its content.

    attributes: an underscore means a hyphen, one at the end is dropped (`for_`, `aria_label`). True
    is an attribute without a value; False and None leave it out.
    """
    opening = f"<{tag}{''.join(_attribute(name, value) for name, value in attributes.items())}>"
    if tag in _VOID:
        return Html(opening)
    return Html(f"{opening}{joined(*content)}</{tag}>")


def joined(*content: str | None) -> Html:
    """Parts one after the other; None is nothing."""
    return Html("".join(_escaped(part) for part in content if part is not None))


def value_of(text: str, tag: str = "code") -> Html:
    """A value that others chose: on its own, so that its writing direction ends with it."""
    return element(tag, element("bdi", text))


def printable(text: str) -> str:
    """The text as a page can show it: what has no place in HTML is a replacement character."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _escaped(part: str) -> str:
    return part if isinstance(part, Html) else escape(printable(part))


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    written = name.rstrip("_").replace("_", "-")
    return f" {written}" if value is True else f' {written}="{escape(printable(value))}"'
