"""What every damage promises: a Config from which random values are drawn, and an ``apply`` that draws nothing.

A damage is a module with these things:

- a docstring. Its first line says what happens to the sound; the paragraph ``Source:`` says where that is described.
- ``Config``, a frozen dataclass derived from `DamageConfig`. Its fields are made by `parameter` and annotated with the
  type of a plain value (``snr_db: float``). As written by the user, a field may also hold a `Choice` or a `Span`.
- ``Config.draw(rng)``, inherited: the same Config with one plain value in each field. Only such a Config is given to
  the functions below, so that the annotations are true there. Its fields go into the record.
- ``apply(sound, config)``, a generator. It yields the damaged sound block by block, with the same shape and at lag 0,
  in memory that does not grow with the length. It returns an `Outcome` with what was measured on the way (the real
  bit rate, a gain, a count of clipped samples), which is added to the record. The output does not depend on how the
  sound is cut into blocks (within 1e-6).

Where they make sense, it also has

- ``sources(config)``: the paths of the user's files that it reads;
- ``warp(sound, config)``, if it warps time: the blocks of another sound, warped in the same way, so that a reference
  can follow;
- ``missing()``: what has to be installed before it works, in a sentence; empty if nothing is missing.
"""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, BinaryIO, Generic, Literal, NamedTuple, Self, TypeVar, overload

import numpy as np

from ..errors import RecordError, UsageError
from ..registry import suggestion
from ..signal.sound import Block

Value = int | float | str
Auto = Literal["auto"]
Off = Literal["off"]
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Number = TypeVar("Number", bound=float)
Number_co = TypeVar("Number_co", bound=float, covariant=True)
Yielded = TypeVar("Yielded")
Result = TypeVar("Result")


class Encoded(NamedTuple):
    """A codec file that a damage made on its way: temporary, and gone when it is closed."""

    suffix: str  # ".mp3"
    file: BinaryIO


@dataclass(frozen=True)
class Outcome:
    """What a damage returns at its end.

    Attributes:
        measured: Names to numbers and words, for the record.
        encoded: The codec files that it made, if any: several where a codec holds fewer channels than there are.
    """

    measured: dict[str, Any] = field(default_factory=dict)
    encoded: tuple[Encoded, ...] = ()

    def close(self) -> None:
        """Close the codec files."""
        for each in self.encoded:
            each.file.close()


Damaged = Generator[Block, None, Outcome]


class Run(Generic[Yielded, Result]):
    """Iterate over a generator, and keep what it returned as ``result``."""

    result: Result

    def __init__(self, generator: Generator[Yielded, None, Result]) -> None:
        self._generator = generator

    def __iter__(self) -> Iterator[Yielded]:
        self.result = yield from self._generator


@dataclass(frozen=True)
class Choice(Generic[T_co]):
    """One of several values, each as likely as the others; written ``16/32/64``."""

    values: tuple[T_co, ...]

    def draw(self, rng: np.random.Generator) -> T_co:
        """Pick one."""
        return self.values[int(rng.integers(len(self.values)))]

    def __str__(self) -> str:
        return "/".join(str(value) for value in self.values)


@dataclass(frozen=True)
class Span(Generic[Number_co]):
    """Any value between two bounds, evenly spread; written ``10..30``."""

    low: Number_co
    high: Number_co

    def draw(self, rng: np.random.Generator) -> int | float:
        """Pick one: a whole number if both bounds are (which are included), otherwise a fraction."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return int(rng.integers(self.low, self.high, endpoint=True))
        return float(rng.uniform(self.low, self.high))

    def __str__(self) -> str:
        return f"{self.low}..{self.high}"


Specification = Value | Choice[Value] | Span[float]


@dataclass(frozen=True)
class Domain:
    """The values that a parameter may have.

    Attributes:
        kind: int, float, str, or Path for a file or folder of the user's, taken as it is written.
        unit: Shown after the number.
        meaning: What the parameter does to the sound.
        choices: The only values allowed, if they can be listed.
        low: The least number allowed.
        high: The greatest number allowed.
        words: Allowed instead of a number.
    """

    kind: type[int] | type[float] | type[str] | type[Path]
    unit: str = ""
    meaning: str = ""
    choices: tuple[Value, ...] = ()
    low: float | None = None
    high: float | None = None
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind is Path:
            return "a path"
        if self.choices:
            return "/".join(str(choice) for choice in self.choices)
        bounds = f"{'' if self.low is None else _short(self.low)}..{'' if self.high is None else _short(self.high)}"
        number = f"{'a whole number' if self.kind is int else 'a number'}{'' if bounds == '..' else f' in {bounds}'}"
        return " or ".join([*self.words, number])

    def parse(self, text: str) -> Value:
        """Read one value.

        Raises:
            ValueError: The value is not allowed.
        """
        value: Value
        if self.kind in (str, Path) or text in self.choices or text in self.words:
            value = text
        elif "_" in text:  # Python reads 1_6 as 16
            raise ValueError(text)
        else:
            value = int(text) if self.kind is int else float(text)
            if isinstance(value, float) and not np.isfinite(value):
                raise ValueError(text)
        if self.choices and value not in self.choices:
            raise ValueError(text)
        if isinstance(value, int | float) and (
            (self.low is not None and value < self.low) or (self.high is not None and value > self.high)
        ):
            raise ValueError(text)
        return value


REQUIRED = ""  # the default of a parameter that the user has to give


@overload
def parameter(default: Choice[T], domain: Domain) -> T: ...
@overload
def parameter(default: Span[Number], domain: Domain) -> Number: ...
@overload
def parameter(default: T, domain: Domain) -> T: ...
def parameter(default: Any, domain: Domain) -> Any:
    """Declare one field of a damage's Config; to a type checker it has the type of the values that are drawn.

    Args:
        default: A value, or a choice or range to draw from; `REQUIRED` if the user has to give one.
        domain: The values that are possible.
    """
    return field(default=default, metadata={"domain": domain})


@dataclass(frozen=True)
class DamageConfig:
    """The parameters of one damage: plain values once they are drawn, and choices and ranges before."""

    def draw(self, rng: np.random.Generator) -> Self:
        """Choose one value for each parameter, in the order of the fields."""
        specified = ((entry.name, getattr(self, entry.name)) for entry in fields(self))
        return replace(self, **{name: each.draw(rng) for name, each in specified if isinstance(each, Choice | Span)})

    def record(self, name: str) -> dict[str, Any]:
        """Make the entry of a record's ``damage`` list: the damage's name, and the values that were drawn."""
        return {"name": name, **asdict(self)}

    @classmethod
    def from_record(cls, entry: Mapping[str, Any]) -> Self:
        """Read the drawn values back from a record's entry; a RecordError if one is missing or not possible."""
        values: dict[str, Any] = {}
        for key, domain in cls.domains().items():
            try:
                values[key] = domain.parse(str(entry.get(key, "")))
            except ValueError:
                raise RecordError(
                    f"damage {entry.get('name')} of the record has {key}={entry.get(key)}; {key} is {domain}"
                ) from None
        return cls(**values)

    @classmethod
    def domains(cls) -> dict[str, Domain]:
        """List the parameters and their possible values."""
        unknown = [entry.name for entry in fields(cls) if entry.default is MISSING or "domain" not in entry.metadata]
        if unknown:
            raise TypeError(f"field {unknown[0]} is not made by parameter()")
        return {entry.name: entry.metadata["domain"] for entry in fields(cls)}

    @classmethod
    def parse(cls, settings: dict[str, str]) -> Self:
        """Make a Config from a chain's settings; a UsageError lists what is possible if a key or value is not."""
        domains = cls.domains()
        values: dict[str, Specification] = {}
        for key, text in settings.items():
            if key not in domains:
                listed = ", ".join(f"{name}={domain}" for name, domain in domains.items())
                raise UsageError(f"there is no parameter '{key}'{suggestion(key, list(domains))}; there are: {listed}")
            values[key] = _specification(key, text, domains[key])
        config = cls(**values)
        for key, domain in domains.items():
            if getattr(config, key) == REQUIRED:
                raise UsageError(f"it needs {key}={domain}: {domain.meaning}")
        return config


def _specification(key: str, text: str, domain: Domain) -> Specification:
    try:
        if domain.kind is Path:
            return text
        if ".." in text:
            low, high = (domain.parse(bound) for bound in text.split("..", 1))
            if isinstance(low, str) or isinstance(high, str):
                raise ValueError(text)
            if low > high:
                raise UsageError(f"{key}={text} runs backwards: write {high}..{low}; {key} is {domain}")
            if domain.choices:
                return Choice(
                    tuple(each for each in domain.choices if not isinstance(each, str) and low <= each <= high)
                )
            return Span(low, high)
        if "/" in text:
            return Choice(tuple(domain.parse(value) for value in text.split("/")))
        return domain.parse(text)
    except ValueError:
        raise UsageError(f"{key}={text} is not possible; {key} is {domain}") from None


def _short(number: float) -> str:
    return f"{number:g}" if abs(number) < 1e6 else str(number)
