"""Words of others on a page: what a record says is shown, and never obeyed."""

import html
import json
from typing import Any

_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


def escaped(text: object, longest: int = 300) -> str:
    """Make any text safe inside an element or a quoted attribute.

    What cannot be seen (control characters, signs that turn the direction of writing, broken file names) becomes a
    sign that says so, and what is very long is cut.

    >>> escaped('<b> & "c"')
    '&lt;b&gt; &amp; &quot;c&quot;'
    """
    shown = "".join(each if each.isprintable() else " " if each in "\n\t" else _UNKNOWN for each in str(text))
    return html.escape(shown if len(shown) <= longest else shown[: longest - 1] + "…")


def script_json(value: Any) -> str:
    """Write JSON that may stand inside a script element: nothing in it can end that element.

    >>> script_json({"id": "</script>"})
    '{"id":"\\\\u003c/script\\\\u003e"}'
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
