"""``key=value`` is read against the fields that will hold it, and a mistake is reported with what is possible."""

import dataclasses
from typing import Any, Literal

import pytest

from audiorestore.engine.settings import build, describe, parse_settings
from audiorestore.engine.training.loop import TrainConfig
from audiorestore.errors import UsageError
from audiorestore.models import cnn


@dataclasses.dataclass(frozen=True)
class Net:
    """One field of each kind."""

    layers: int = 3
    rate: float = 0.1
    residual: bool = False
    title: str = "net"
    pooling: Literal["none", "max"] = "none"
    order: Literal[1, 2] = 1
    kernel_sizes: tuple[int, ...] = (3,)
    minutes: float | None = None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("layers=5", 5),
        ("layers=-5", -5),
        ("rate=1e-3", 0.001),
        ("rate=2", 2.0),
        ("residual=true", True),
        ("residual=false", False),
        ("title=a=b", "a=b"),
        ("title=", ""),
        ("pooling=max", "max"),
        ("order=2", 2),
        ("kernel_sizes=7/5/3", (7, 5, 3)),
        ("kernel_sizes=9", (9,)),
        ("minutes=none", None),
        ("minutes=0.5", 0.5),
    ],
)
def test_values_are_read_as_the_field_s_type(text: str, expected: Any) -> None:
    key = text.partition("=")[0]
    assert parse_settings([text], Net) == {key: expected}
    assert type(parse_settings([text], Net)[key]) is type(expected)


@pytest.mark.parametrize(
    ("text", "possible"),
    [
        ("layers=2.5", "layers is a whole number"),
        ("layers=many", "layers is a whole number"),
        ("layers=", "layers is a whole number"),
        ("rate=fast", "rate is a number"),
        ("rate=nan", "rate is a number"),
        ("residual=yes", "residual is true or false"),
        ("residual=True", "residual is true or false"),
        ("pooling=min", "pooling is none or max"),
        ("order=3", "order is 1 or 2"),
        ("kernel_sizes=", "kernel_sizes is whole numbers such as 7/5/3"),
        ("kernel_sizes=7-5", "kernel_sizes is whole numbers such as 7/5/3"),
        ("kernel_sizes=7/x", "kernel_sizes is whole numbers such as 7/5/3"),
        ("minutes=soon", "minutes is a number or none"),
    ],
)
def test_an_impossible_value_is_refused_with_what_is_possible(text: str, possible: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_settings([text], Net)
    assert str(refused.value) == f"{text} is not possible; {possible}"


def test_an_unknown_key_is_refused_with_a_guess_and_the_whole_list() -> None:
    with pytest.raises(UsageError, match=r"there is no setting 'layer' \(did you mean 'layers'\?\); there are: layers"):
        parse_settings(["layer=3"], Net)
    with pytest.raises(UsageError, match="'layers' is not written key=value"):
        parse_settings(["layers"], Net)


def test_the_last_of_several_values_counts_and_several_holders_share_the_keys() -> None:
    texts = ["layers=1", "layers=2", "learning_rate=0.5"]
    assert parse_settings(texts, Net, TrainConfig) == {"layers": 2, "learning_rate": 0.5}


def test_each_dataclass_takes_its_own_settings_and_leaves_the_others() -> None:
    settings = parse_settings(["kernel_sizes=5/3", "dilation=1", "steps=7"], cnn.Config, TrainConfig)
    assert build(cnn.Config, settings) == cnn.Config(kernel_sizes=(5, 3), dilation=1)
    assert build(TrainConfig, settings) == TrainConfig(steps=7)


def test_every_setting_of_training_can_be_described() -> None:
    for field in dataclasses.fields(TrainConfig):
        assert "<" not in describe(field.type)
