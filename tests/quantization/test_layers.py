"""Int8 layers compute exact products of integers, and nothing elsewhere in a recording changes a row's result."""

import copy
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from audiorestore.quantization import operators
from audiorestore.quantization.convolutions import Int8Conv1d
from audiorestore.quantization.layers import LEVELS, Int8Layer, Int8Linear, quantize_weight, round_input
from audiorestore.quantization.operators import int8_operators_work

# rows, in, out; bound; bias
DENSE = [
    (1, 1, 1, None, True),
    (1, 7, 1, 1.0, False),
    (3, 1, 5, 2**0.5, True),
    (16, 16, 16, None, False),
    (33, 216, 48, 1.0, True),
    (5, 41, 2, None, True),
    (257, 3, 17, 2**0.5, False),
]

# batch, channels, time, out, places, dilation, padding; bound; bias
SLIDING = [
    (1, 1, 1, 1, 1, 1, 0, None, True),
    (2, 1, 50, 3, 7, 1, 0, 1.0, True),
    (1, 1, 201, 17, 7, 2, 0, None, False),
    (3, 16, 40, 16, 3, 2, 0, 2**0.5, True),
    (2, 5, 33, 7, 3, 1, 1, None, True),
    (4, 33, 24, 1, 1, 1, 0, 1.0, False),
    (2, 3, 60, 4, 9, 4, 16, None, True),
    (5, 32, 12, 32, 5, 1, 2, 2**0.5, False),
    (1, 8, 40, 6, 19, 2, 0, 1.0, True),
]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(params=["as here", "emulated"])
def _path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to compute: by the operators, where this machine has them, and by floats that hold the integers."""
    if request.param == "emulated":
        monkeypatch.setattr(operators, "usable", lambda codes, scale: False)


@pytest.fixture
def _try_again() -> Iterator[None]:
    int8_operators_work.cache_clear()
    yield
    int8_operators_work.cache_clear()


def drawn(*shape: int, bias: bool = True, bound: float | None = None, arithmetic: Any = "int8") -> Any:
    """Quantize drawn weights, whose channels differ a hundredfold in size; (out, in) or (out, in, places)."""
    torch.manual_seed(sum(shape))
    layer: Any = nn.Linear(shape[1], shape[0], bias) if len(shape) == 2 else nn.Conv1d(shape[1], shape[0], shape[2])
    if not bias:
        layer.bias = None
    with torch.no_grad():
        layer.weight *= torch.logspace(-1, 1, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    made: Any = (Int8Linear if len(shape) == 2 else Int8Conv1d).of(layer)
    made.bound, made.arithmetic = bound, arithmetic
    return made


def sound(*shape: int, seed: int = 0, bound: float | None = None) -> Tensor:
    """Draw values; within a bound, some are exactly at it."""
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return values if bound is None else values.clamp(-1, 1) * bound


def coded(values: Tensor, bound: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Get the integers that a layer sees, and what a step is worth; checked against the values themselves."""
    codes, step = round_input(values, bound)
    integers = codes.numpy().astype(np.int64) - 128
    steps = np.asarray(step, np.float64)
    entries = tuple(range(1, values.dim()))
    largest = bound if bound is not None else np.abs(values.numpy()).max(entries, keepdims=True)
    np.testing.assert_allclose(steps, np.broadcast_to(largest, steps.shape) / LEVELS, rtol=1e-6)
    assert np.abs(integers).max() <= LEVELS
    assert (np.abs(integers * steps - values.numpy()) <= 0.5001 * steps).all()
    return integers, steps


def integer_product(layer: Int8Layer, values: Tensor) -> np.ndarray:
    """Compute what `forward` means, for rows (count, in), in integers."""
    integers, steps = coded(values, layer.bound)
    sums = integers @ layer.codes.numpy().astype(np.int64).T
    mapped = sums * (layer.scale.double().numpy() * steps)
    return mapped if layer.bias is None else mapped + layer.bias.double().numpy()


def integer_convolution(layer: Int8Layer, values: Tensor, dilation: int, padding: int) -> np.ndarray:
    """Compute what `convolve` means, place by place, in integers."""
    integers, steps = coded(values, layer.bound)
    integers = np.pad(integers, ((0, 0), (0, 0), (0, 0), (padding, padding)))[:, :, 0]
    kernel = layer.codes.numpy().astype(np.int64).reshape(len(layer.scale), values.shape[1], -1)
    places = kernel.shape[-1]
    count = integers.shape[-1] - dilation * (places - 1)
    sums = np.zeros((len(values), len(layer.scale), count), np.int64)
    for start in range(count):
        window = integers[:, :, start : start + dilation * places : dilation][:, :, :places]
        sums[:, :, start] = np.einsum("bcp,ocp->bo", window, kernel)
    mapped = sums[:, :, None] * layer.scale.double().numpy()[:, None, None] * steps
    return mapped if layer.bias is None else mapped + layer.bias.double().numpy()[:, None, None]


def assert_same(ours: Tensor, exact: np.ndarray) -> None:
    assert ours.dtype == torch.float32
    np.testing.assert_allclose(ours.numpy(), exact, rtol=1e-6, atol=2e-6 * np.abs(exact).max())


def channels_last(values: Tensor) -> Tensor:
    return values.contiguous(memory_format=torch.channels_last)


# Weights.


@pytest.mark.parametrize("shape", [(1, 1), (5, 40), (16, 3, 7)])
def test_a_weight_is_at_most_half_a_step_from_what_it_was(shape: tuple[int, ...]) -> None:
    weight = sound(*shape) * torch.logspace(-6, 6, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    codes, scale = quantize_weight(weight)
    steps = scale.reshape(-1, *[1] * (len(shape) - 1))
    assert codes.dtype == torch.int8
    assert codes.shape == weight.shape
    assert ((codes * steps - weight).abs() <= 0.50001 * steps).all()
    # Each channel uses the whole range: its largest weight is 127 steps.
    assert torch.equal(codes.abs().flatten(1).amax(1), torch.full((shape[0],), LEVELS, dtype=torch.int8))


def test_a_channel_without_weights_stays_silent() -> None:
    codes, scale = quantize_weight(torch.tensor([[0.0, 0.0], [3.0, -1.5], [0.0, -0.0]]))
    assert codes.tolist() == [[0, 0], [127, -64], [0, 0]]
    assert torch.isfinite(scale).all()
    assert (scale > 0).all()


# Products.


@pytest.mark.usefixtures("_path")
@pytest.mark.parametrize(("rows", "inputs", "outputs", "bound", "bias"), DENSE)
def test_a_dense_layer_is_the_exact_product_of_integers(
    rows: int, inputs: int, outputs: int, bound: float | None, bias: bool
) -> None:
    layer = drawn(outputs, inputs, bias=bias, bound=bound)
    values = sound(rows, inputs, bound=bound)
    before = values.clone()
    with torch.inference_mode():
        assert_same(layer(values), integer_product(layer, values))
        assert_same(layer(values), integer_product(layer, values))  # and again, with what was derived
    assert torch.equal(values, before)


@pytest.mark.usefixtures("_path")
@pytest.mark.parametrize("shape", SLIDING, ids=str)
def test_a_convolution_is_the_exact_sum_of_integers(shape: tuple[Any, ...]) -> None:
    batch, channels, time, outputs, places, dilation, padding, bound, bias = shape
    values = channels_last(sound(batch, channels, 1, time, bound=bound))
    for weights in ((outputs, channels, places), (outputs, channels * places)):  # a convolution, and a dense layer
        layer = drawn(*weights, bias=bias, bound=bound)
        with torch.inference_mode():
            slid = layer.convolve(values, dilation, padding)
            assert_same(slid, integer_convolution(layer, values, dilation, padding))


@pytest.mark.usefixtures("_path")
def test_rows_may_have_any_shape() -> None:
    layer = drawn(5, 12)
    values = sound(2, 3, 4, 12)
    with torch.inference_mode():
        assert torch.equal(layer(values).flatten(0, 2), layer(values.flatten(0, 2)))
        assert torch.equal(layer(values.transpose(0, 2)), layer(values).transpose(0, 2))
        assert layer(values[:0]).shape == (0, 3, 4, 5)


# What is rounded together.


@pytest.mark.usefixtures("_path")
def test_a_row_is_the_same_alone_and_beside_a_thousand_times_louder_one() -> None:
    layer = drawn(17, 216)
    company = sound(40, 216) * torch.where(torch.arange(40) % 2 == 0, 1.0, 1000.0)[:, None]
    with torch.inference_mode():
        together = layer(company)
        for row in (0, 1, 2, 17, 38, 39):
            assert torch.equal(layer(company[row : row + 1]), together[row : row + 1])


@pytest.mark.usefixtures("_path")
def test_a_batch_entry_is_the_same_alone_and_beside_a_thousand_times_louder_one() -> None:
    layer = drawn(17, 8, 3)
    company = channels_last(sound(6, 8, 1, 48) * torch.tensor([1.0, 1000.0] * 3).reshape(-1, 1, 1, 1))
    with torch.inference_mode():
        together = layer.convolve(company, 1, 1)
        for entry in range(6):
            assert torch.equal(layer.convolve(company[entry : entry + 1], 1, 1), together[entry : entry + 1])


def test_louder_by_a_power_of_two_is_louder_by_just_that() -> None:
    layer = drawn(9, 30, bias=False)
    rows = sound(5, 30)
    with torch.inference_mode():
        for gain in (2.0**-20, 0.5, 4.0, 2.0**20):
            torch.testing.assert_close(layer(gain * rows), gain * layer(rows), rtol=1e-6, atol=0)


@pytest.mark.usefixtures("_path")
def test_silence_gives_the_bias() -> None:
    for bound in (None, 1.0):
        dense, kernel = drawn(5, 12, bound=bound), drawn(5, 4, 3, bound=bound)
        with torch.inference_mode():
            for quiet in (0.0, 1e-30, -1e-40):
                silent = dense(torch.full((3, 12), quiet)), kernel.convolve(torch.full((2, 4, 1, 9), quiet), 1, 1)
                assert torch.equal(silent[0], dense.bias.expand(3, 5))
                assert torch.equal(silent[1], kernel.bias.reshape(-1, 1, 1).expand(2, 5, 1, 9))


@pytest.mark.usefixtures("_path")
@pytest.mark.parametrize("bound", [1.0, 2 ** (1 / 2), 2 ** (1 / 3)])
def test_values_at_the_bound_itself_do_not_wrap_around(bound: float) -> None:
    layer = drawn(3, 10, bias=False, bound=bound)
    ends = torch.tensor([[bound], [-bound], [np.nextafter(np.float32(bound), np.float32(9)).item()]]).expand(3, 10)
    codes, _ = round_input(ends, bound)
    assert codes[:, 0].tolist() == [255, 1, 255]
    with torch.inference_mode():
        answers = layer(ends)
    expected = layer.codes.double().sum(1) * layer.scale * bound
    torch.testing.assert_close(answers[0].double(), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(answers[1], -answers[0])


# Weights in int8, arithmetic in float.


def test_float_arithmetic_is_the_float_layer_of_the_rounded_weights() -> None:
    dense, kernel = drawn(7, 20, arithmetic="float"), drawn(7, 4, 3, arithmetic="float")
    rows, steps = sound(9, 20), channels_last(sound(2, 4, 1, 30))
    assert torch.equal(dense.weight, dense.codes * dense.scale[:, None])
    assert torch.equal(kernel.weight, kernel.codes * kernel.scale[:, None, None])
    torch.testing.assert_close(dense(rows), functional.linear(rows, dense.weight, dense.bias), rtol=0, atol=0)
    convolved = functional.conv1d(steps.squeeze(2), kernel.weight, kernel.bias, padding=3, dilation=2)
    torch.testing.assert_close(kernel.convolve(steps, 2, 3).squeeze(2), convolved, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("_path")
@pytest.mark.parametrize("arithmetic", ["int8", "float"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_repeated_layer_has_its_outputs_once_for_each_copy(arithmetic: str, bias: bool) -> None:
    layer = drawn(3, 8, bias=bias, arithmetic=arithmetic)
    rows = sound(2, 5, 8)
    with torch.inference_mode():
        wide = layer.repeated(rows, lambda weight: weight.repeat(4, 1), 4)
        torch.testing.assert_close(wide, layer(rows).repeat(1, 1, 4), rtol=1e-6, atol=1e-6)


# What is kept.


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("arithmetic", ["int8", "float"])
def test_state_goes_into_another_layer_and_the_numbers_are_the_same(arithmetic: Any, bias: bool) -> None:
    layer = drawn(6, 24, bias=bias, arithmetic=arithmetic)
    other = Int8Linear.of(nn.Linear(24, 6, bias=bias))
    other.arithmetic = arithmetic
    rows = sound(5, 24)
    with torch.inference_mode():
        assert not torch.equal(other(rows), layer(rows))  # what is derived of these weights has to be forgotten
        other.load_state_dict(layer.state_dict())
        assert torch.equal(other(rows), layer(rows))
    assert layer.state_dict()["weight"].dtype == torch.int8
    assert layer.state_dict().keys() == {"weight", "scale"} | ({"bias"} if bias else set())


@pytest.mark.usefixtures("_path")
@pytest.mark.parametrize("arithmetic", ["int8", "float"])
def test_new_weights_forget_what_was_derived_from_the_old_ones(arithmetic: Any) -> None:
    layer, other = drawn(6, 8, 3, arithmetic=arithmetic), drawn(6, 8, 3, arithmetic=arithmetic)
    other.codes.neg_()
    steps = channels_last(sound(2, 8, 1, 20))
    with torch.inference_mode():
        before = layer.convolve(steps, 1, 0)
        layer.load_state_dict(other.state_dict())
        after = layer.convolve(steps, 1, 0)
        assert torch.equal(after, other.convolve(steps, 1, 0))
    assert not torch.allclose(after, before)


@pytest.mark.parametrize("arithmetic", ["int8", "float"])
def test_a_layer_follows_its_model_to_another_type(arithmetic: Any) -> None:
    layer = drawn(6, 24, arithmetic=arithmetic)
    rows = sound(5, 24)
    with torch.no_grad():
        single = layer(rows)
        double = layer.double()(rows.double())
        assert double.dtype == torch.float64
        torch.testing.assert_close(double.float(), single, rtol=1e-5, atol=1e-5)
        assert torch.equal(layer.float()(rows), single)


def test_float_weights_are_not_cut_off_to_integers() -> None:
    layer = drawn(2, 3)
    state = {**layer.state_dict(), "weight": torch.full((2, 3), 0.7)}
    with pytest.raises(RuntimeError, match=r"weight is torch\.float32, not torch\.int8"):
        layer.load_state_dict(state)


@pytest.mark.usefixtures("_path")
def test_a_layer_that_was_used_can_be_copied() -> None:
    layer = nn.Sequential(drawn(6, 24))
    rows = sound(5, 24)
    with torch.inference_mode():
        assert torch.equal(copy.deepcopy(layer)(rows), layer(rows))
        assert torch.equal(copy.deepcopy(layer)(rows), layer(rows))


def test_it_passes_for_the_layer_whose_place_it_takes() -> None:
    float_layer = nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2)
    layer = Int8Conv1d.of(float_layer)
    assert isinstance(layer, nn.Conv1d)
    assert repr(layer).partition("(")[2] == repr(float_layer).partition("(")[2]


# Machines without the operators.


def raising(error: type[Exception]) -> Callable[..., Any]:
    def operator(*arguments: Any) -> Any:
        raise error("not on this machine")

    return operator


def no_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops, "onednn", SimpleNamespace())


def refusing_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("qlinear_prepack", "qconv_prepack"):
        monkeypatch.setattr(torch.ops.onednn, name, raising(NotImplementedError), raising=False)


def overflowing_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs of products are held in 16 bit, as where the CPU lacks the instruction: 2 · 255 · 127 is too much."""

    def operator(codes: Tensor, *_: Any) -> Tensor:
        return torch.full((len(codes), 16, *codes.shape[2:]), 32 * 32767.0 - 128 * 127 * 64)

    for name in ("qlinear_pointwise", "qconv_pointwise"):
        monkeypatch.setattr(torch.ops.onednn, name, operator, raising=False)
    for name in ("qlinear_prepack", "qconv_prepack"):
        monkeypatch.setattr(torch.ops.onednn, name, lambda *_: torch.zeros(1), raising=False)


@pytest.mark.usefixtures("_try_again")
@pytest.mark.parametrize("lack", [no_operators, refusing_operators, overflowing_operators])
def test_without_working_operators_the_result_is_the_same(
    monkeypatch: pytest.MonkeyPatch, lack: Callable[[pytest.MonkeyPatch], None]
) -> None:
    rows, steps = sound(9, 40), channels_last(sound(2, 8, 1, 30))
    with torch.inference_mode():
        ours = drawn(7, 40)(rows), drawn(7, 8, 3).convolve(steps, 2, 1)
        lack(monkeypatch)
        int8_operators_work.cache_clear()
        assert not int8_operators_work()
        emulated = drawn(7, 40)(rows), drawn(7, 8, 3).convolve(steps, 2, 1)
    for one, other in zip(ours, emulated, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6 * float(other.abs().max()))
