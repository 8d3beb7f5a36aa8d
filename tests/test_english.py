"""Plain English: the words that an engineer would not say aloud are refused, wherever a person reads them.

In strings, docstrings and comments of the package, in its pages and recipes, and in the documents; a part of an
identifier counts as a word.
"""

import io
import re
import tokenize
from pathlib import Path

import pytest

import audiorestore

PACKAGE = Path(audiorestore.__file__).parent
ROOT = PACKAGE.parent

# The pattern, and what to write instead.
GLOSSARY = {
    r"\btold\b": "report, info or result, by meaning",
    r"\banew\b": "again",
    r"\b(hang|hangs|hung|hanging) on\b": "depends on",
    r"\b(lie|lies|lay|lays|laid|lying) (up)?on\b|\blaid over\b|\blay \w+ over\b": "align, is aligned with",
    r"\blaid\b": "aligned, or arranged",
    r"(?<!there )\bis no (?!(longer|more|less|different|better|worse|greater|larger|smaller|faster)\b)": "is not a",
    r"\bmend(s|ed|ing)?\b": "fix, repair",
    r"\bhurts?\b": "degrade, damage",
    r"\bwish(es)?\b": "options",
    r"\bgravest\b": "most severe",
    r"\bundrawn\b": "without a picture",
    r"\b(share|shares|shared|sharing) out\b": "assign",
    r"\b(stand|stands) against\b": "relative to",
    r"\bgo(es|ing)? on with\b|\bgoing on from\b": "continue, resume",
    r"\bheard by\b|\bhears a model\b|\blistened to by\b": "measured, validated",
    r"\bmoments\b": "time steps",
    r"\bparts nothing\b": "has no effect",
    r"\bso many\b": "that number of",
    r"\bof its own accord\b": "by itself",
}
PATTERN = re.compile("|".join(f"(?:{pattern})" for pattern in GLOSSARY), re.IGNORECASE)


def words(file: Path) -> list[tuple[int, str]]:
    """List what a person reads of a file, with the line where it starts."""
    text = file.read_text("utf-8")
    if file.suffix != ".py":
        return list(enumerate(text.splitlines(), 1))
    kinds = {tokenize.COMMENT, tokenize.STRING, tokenize.NAME, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [(token.start[0], token.string.replace("_", " ")) for token in tokens if token.type in kinds]


def found(file: Path) -> list[str]:
    """Say where a file uses a word of the glossary, and what to write instead."""
    places = []
    for line, text in words(file):
        for match in PATTERN.finditer(" ".join(text.split())):
            better = next(word for pattern, word in GLOSSARY.items() if re.search(pattern, match[0], re.IGNORECASE))
            places.append(f"{file.relative_to(ROOT)}:{line} '{match[0]}': {better}")
    return places


READ = sorted(
    [path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".html", ".js", ".j2", ".css")]
    + [path for path in (ROOT / "recipes").iterdir() if path.is_file() and path.suffix != ".txt"]
    + [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
)


def test_nobody_has_to_read_a_sentence_twice() -> None:
    assert len(READ) > 100
    places = [place for file in READ for place in found(file)]
    assert not places, "\n".join(places)


@pytest.mark.parametrize(
    "sentence",
    [
        "lag and gain are told",
        "x = told",
        "pair them anew",
        "what the seed hangs on",
        "the copy lies on its reference",
        "parameters=0 is no budget",
    ],
)
def test_the_dialect_is_seen(sentence: str) -> None:
    assert PATTERN.search(sentence)


@pytest.mark.parametrize(
    "sentence",
    ["there is no family 'cn'", "it is no longer than the window", "the samples lie at a lag", "sound that is heard"],
)
def test_plain_sentences_pass(sentence: str) -> None:
    assert not PATTERN.search(sentence)
