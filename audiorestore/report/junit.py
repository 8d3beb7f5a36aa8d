"""Conditions and failed records as JUnit XML, for build servers."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

from ..data.atomic import atomic_path
from ..scores.columns import Failure
from ..scores.verdict import Verdict

_SUITE = "audiorestore"
# What XML 1.0 cannot hold, even escaped: control characters, lone surrogates, and two noncharacters.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(path: Path, verdicts: Sequence[Verdict], failures: Sequence[Failure]) -> None:
    """Write conditions and failed records as JUnit XML; the file is written completely or not at all.

    The same run gives the same bytes: the file contains neither a time nor a host name.

    Args:
        path: The file; an older one is replaced.
        verdicts: The conditions, and whether they were met.
        failures: The records that could not be measured.

    Raises:
        AudioFileError: It cannot be written.
    """
    failed = sum(bool(verdict.reason) for verdict in verdicts)
    tests = len(verdicts) + len(failures)
    counts = {"tests": str(tests), "failures": str(failed), "errors": str(len(failures))}
    root = ElementTree.Element("testsuites", {"name": _SUITE, **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": "ar eval", **counts})
    for verdict in verdicts:
        case = _case(suite, verdict.kind, verdict.name)
        if verdict.reason:
            _outcome(case, "failure", verdict.kind, verdict.reason, verdict.lines)
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
    r"""Escape what XML cannot hold as Python does.

    >>> legal("a\x00b")
    'a\\x00b'
    """
    return _ILLEGAL.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)
