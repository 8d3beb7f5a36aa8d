"""Text from records on a page: invisible characters become visible, and very long texts are cut."""

from typing import Any

from markupsafe import Markup, escape

_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_LONGEST = 1000  # letters of any text


def cleaned(value: Any) -> Any:
    """Prepare a value for the page, which escapes it afterwards; markup of the page's own is left alone.

    Control characters, signs that change the direction of writing and broken file names become a visible sign.

    >>> cleaned("a\\u202eb")
    'a�b'
    """
    if isinstance(value, Markup):
        return value
    shown = "".join(each if each.isprintable() else " " if each in "\n\t" else _UNKNOWN for each in str(value))
    return cut(shown, _LONGEST)


def cut(value: object, longest: int) -> str:
    """Shorten a text to a number of letters.

    >>> cut("violoncello", 6)
    'violo…'
    """
    text = str(value)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def breakable(name: str) -> Markup:
    """Let a number's name break where a line is short.

    >>> breakable("snr_db")
    Markup('snr_<wbr>db')
    """
    return escape(cleaned(name)).replace("_", Markup("_<wbr>"))
