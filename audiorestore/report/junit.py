"""What a build server shows: conditions and failed records as the XML of JUnit."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

from ..data.atomic import atomic_path
from ..scores.columns import Failure
from ..scores.verdict import Verdict

_SUITE = "audiorestore"
# What XML 1.0 cannot hold, even escaped: control characters, halves of pairs, and two that are no characters.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(path: Path, conditions: Sequence[tuple[str, Verdict]], failures: Sequence[Failure]) -> None:
    """Write conditions and failed records as the XML of JUnit, as build servers show it: whole, or not at all.

    The same run gives the same bytes: there is no time and no machine's name in it.

    Args:
        path: Where it goes; an older file is replaced.
        conditions: Each with the kind of condition that it is, such as ``require``.
        failures: The records that could not be measured.

    Raises:
        AudioFileError: It cannot be written.
    """
    failed = [verdict for _, verdict in conditions if verdict.reason]
    counts = {"tests": len(conditions) + len(failures), "failures": len(failed), "errors": len(failures)}
    told = {name: str(count) for name, count in counts.items()}
    root = ElementTree.Element("testsuites", {"name": _SUITE, **told})
    suite = ElementTree.SubElement(root, "testsuite", {"name": "ar eval", **told})
    for kind, verdict in conditions:
        case = _case(suite, kind, verdict.name)
        if verdict.reason:
            lines = [verdict.reason, *(f"{name}: {words}" for name, words in verdict.worst)]
            _outcome(case, "failure", kind, verdict.reason, lines)
    for failure in failures:
        name = f"{failure.system}: {failure.name}" if failure.system else failure.name
        _outcome(_case(suite, "record", name), "error", failure.stage, failure.message, [failure.message])
    ElementTree.indent(root)
    with atomic_path(path, overwrite=True) as temporary:
        ElementTree.ElementTree(root).write(temporary, encoding="utf-8", xml_declaration=True)


def _case(suite: ElementTree.Element, kind: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", {"classname": f"{_SUITE}.{kind}", "name": legal(name)})


def _outcome(case: ElementTree.Element, outcome: str, kind: str, message: str, lines: list[str]) -> None:
    element = ElementTree.SubElement(case, outcome, {"type": legal(kind), "message": legal(message)})
    element.text = legal("\n".join(lines))


def legal(text: str) -> str:
    r"""Write what XML cannot hold as Python would.

    >>> legal("a\x00b")
    'a\\x00b'
    """
    return _ILLEGAL.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)
