"""What every damage promises: a Config that can be drawn from, and an ``apply`` that draws nothing.

A damage is a module with these things:

- a docstring whose first line says what happens to the sound and whose paragraph ``Source:`` where that is described;
- ``Config``, a frozen dataclass whose fields are made by `parameter`: a field holds one value, a `Choice` or a `Span`;
- ``Config.draw(rng)``, inherited from `DamageConfig`: one plain value for each field, as it goes into the record;
- ``apply(sound, parameters)``, a generator: it yields the damaged sound block by block, same shape and lag 0, in
  memory that does not grow with the length, and returns an `Outcome` with what was measured on the way (a real bit
  rate, a gain, a count of clipped samples), which joins the parameters in the record. How the sound is cut into blocks
  does not change what comes out (within 1e-6).

and, where they make sense,

- ``sources(parameters)``, the paths of the user's files that it reads;
- ``warp(waveform, sample_rate, parameters)``, where it bends time: the same bending of another waveform, so that
  a reference can follow;
- ``missing()``, which says in words what has to be installed before it works, or nothing where all is there.
"""

from collections.abc import Generator, Iterator
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO, Generic, NamedTuple, TypeVar

import numpy as np

from ..errors import UsageError
from ..registry import suggestion
from ..signal.sound import Block, Sound, joined

Value = int | float | str
Yielded = TypeVar("Yielded")
Result = TypeVar("Result")


class Encoded(NamedTuple):
    """A codec file that a damage made on its way: temporary, and gone when it is closed."""

    suffix: str  # ".mp3"
    file: BinaryIO


@dataclass(frozen=True)
class Outcome:
    """What a damage tells when it is done.

    Attributes:
        measured: Names to numbers and words, for the record.
        encoded: The codec files that it made, if any: several where a codec holds fewer channels than there are.
    """

    measured: dict[str, Any] = field(default_factory=dict)
    encoded: tuple[Encoded, ...] = ()

    def close(self) -> None:
        """Let go of the codec files."""
        for each in self.encoded:
            each.file.close()


Damaged = Generator[Block, None, Outcome]


class Run(Generic[Yielded, Result]):
    """Iterate over a generator, and hold what it returned at its end as ``result``."""

    result: Result

    def __init__(self, generator: Generator[Yielded, None, Result]) -> None:
        self._generator = generator

    def __iter__(self) -> Iterator[Yielded]:
        self.result = yield from self._generator


def hurt(
    module: Any, waveform: np.ndarray, sample_rate: int, parameters: dict[str, Any]
) -> tuple[Block, dict[str, Any]]:
    """Apply one damage to a waveform, shape (channels, time), that is in memory, and tell what it measured."""
    run = Run(module.apply(Sound.of(waveform, sample_rate), parameters))
    degraded = joined(run, waveform.shape[0])
    run.result.close()
    return degraded, run.result.measured


@dataclass(frozen=True)
class Choice:
    """One of several values, each as likely as the others; written ``16/32/64``."""

    values: tuple[Value, ...]

    def draw(self, rng: np.random.Generator) -> Value:
        """Pick one."""
        return self.values[int(rng.integers(len(self.values)))]

    def __str__(self) -> str:
        return "/".join(str(value) for value in self.values)


@dataclass(frozen=True)
class Span:
    """Any value between two bounds, evenly spread; written ``10..30``."""

    low: int | float
    high: int | float

    def draw(self, rng: np.random.Generator) -> Value:
        """Pick one: a whole number where both bounds are (either may come up), a fraction elsewhere."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return int(rng.integers(self.low, self.high, endpoint=True))
        return float(rng.uniform(self.low, self.high))

    def __str__(self) -> str:
        return f"{self.low}..{self.high}"


Specification = Value | Choice | Span


@dataclass(frozen=True)
class Domain:
    """The values that a parameter may have.

    Attributes:
        kind: int, float, str, or Path for a file or folder of the user's, taken as it is written.
        unit: Said behind the number when speaking to people.
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
            ValueError: It is none of those allowed.
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


REQUIRED = ""  # the default of a parameter that has none: the user has to say it


def parameter(default: Specification, domain: Domain) -> Any:
    """Declare one field of a damage's Config: what it is by default (or `REQUIRED`), and what it may be."""
    return field(default=default, metadata={"domain": domain})


@dataclass(frozen=True)
class DamageConfig:
    """The parameters of one damage, each a value, a choice or a range to draw from."""

    def draw(self, rng: np.random.Generator) -> dict[str, Value]:
        """Settle every parameter on one value, in the order of the fields."""
        drawn: dict[str, Value] = {}
        for entry in fields(self):
            specification = getattr(self, entry.name)
            is_open = isinstance(specification, Choice | Span)
            drawn[entry.name] = specification.draw(rng) if is_open else specification
        return drawn

    @classmethod
    def domains(cls) -> dict[str, Domain]:
        """List the parameters and what each may be."""
        return {entry.name: _domain(entry) for entry in fields(cls)}

    @classmethod
    def parse(cls, settings: dict[str, str]) -> "DamageConfig":
        """Make a Config from the words of a chain.

        Raises:
            UsageError: A key or a value is not possible; the sentence lists what is.
        """
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


def _domain(entry: Field[Any]) -> Domain:
    if entry.default is MISSING or "domain" not in entry.metadata:
        raise TypeError(f"field {entry.name} is not made by parameter()")
    domain: Domain = entry.metadata["domain"]
    return domain


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
                return Choice(tuple(choice for choice in domain.choices if _between(low, choice, high)))
            return Span(low, high)
        if "/" in text:
            return Choice(tuple(domain.parse(value) for value in text.split("/")))
        return domain.parse(text)
    except ValueError:
        raise UsageError(f"{key}={text} is not possible; {key} is {domain}") from None


def _between(low: float, choice: Value, high: float) -> bool:
    return not isinstance(choice, str) and low <= choice <= high


def _short(number: float) -> str:
    return f"{number:g}" if abs(number) < 1e6 else str(number)
