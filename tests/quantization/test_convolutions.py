"""Convolutions in int8 take the place of torch's own: the same shapes, exact products of what was rounded, and nothing
outside of its window changes a result."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from audiorestore.quantization import convolutions, operators
from audiorestore.quantization.hold import hold_in_int8, linear_maps

LAYERS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "one place": (nn.Conv1d(5, 7, 1), (2, 5, 30)),
    "three places": (nn.Conv1d(4, 6, 3, padding=1), (1, 4, 41)),
    "no bias": (nn.Conv1d(4, 6, 3, bias=False), (1, 4, 12)),
    "strided": (nn.Conv1d(3, 5, 9, stride=2, padding=4), (3, 3, 50)),
    "strided and dilated": (nn.Conv1d(3, 5, 4, stride=3, padding=2, dilation=5), (1, 3, 70)),
    "one channel": (nn.Conv1d(1, 16, 65, stride=2, padding=32), (2, 1, 200)),
    "same": (nn.Conv1d(3, 4, 5, padding="same", dilation=2), (1, 3, 25)),
    "a window as long as the sound": (nn.Conv1d(8, 3, 17), (1, 8, 17)),
    "in two dimensions": (nn.Conv2d(3, 6, (3, 5), padding=(1, 2)), (2, 3, 9, 20)),
    "strided in two dimensions": (
        nn.Conv2d(3, 6, (3, 4), stride=(2, 3), padding=(2, 0), dilation=(1, 2)),
        (2, 3, 9, 31),
    ),
}
IN_FLOAT: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "groups": (nn.Conv1d(6, 9, 3, groups=3, padding=1), (1, 6, 20)),
    "transposed": (nn.ConvTranspose1d(3, 6, 3, stride=4, output_padding=2, dilation=3, bias=False), (1, 3, 11)),
    "transposed groups": (nn.ConvTranspose1d(6, 4, 3, groups=2), (1, 6, 20)),
    "reflected": (nn.Conv1d(3, 4, 3, padding=1, padding_mode="reflect"), (1, 3, 20)),
    "same, unevenly": (nn.Conv1d(3, 4, 4, padding="same"), (1, 3, 20)),
    "depthwise": (nn.Conv2d(8, 8, (3, 5), groups=8, padding=(1, 2)), (2, 8, 4, 15)),
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(params=["as here", "emulated"])
def _path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "emulated":
        monkeypatch.setattr(operators, "usable", lambda codes, scale: False)


def held(layer: nn.Module, bound: float | None, arithmetic: Any) -> Any:
    """Make the int8 form of a layer."""
    network = nn.Sequential(copy.deepcopy(layer))
    (made,) = hold_in_int8(network).values()
    made.bound, made.arithmetic = bound, arithmetic
    return made


def layer_of(name: str) -> tuple[nn.Module, Tensor]:
    """Copy a layer, with outputs that differ in size, and draw what it sees."""
    layer, shape = copy.deepcopy({**LAYERS, **IN_FLOAT}[name])
    torch.manual_seed(1)
    with torch.no_grad():
        axis = 1 if isinstance(layer, nn.ConvTranspose1d) else 0
        sizes = torch.logspace(-1, 1, layer.weight.shape[axis])
        layer.weight.copy_(torch.randn(layer.weight.shape))
        layer.weight.mul_(sizes.reshape([-1 if place == axis else 1 for place in range(layer.weight.dim())]))
    return layer.eval(), torch.randn(shape)


def of_codes(layer: nn.Module, held_layer: Any) -> nn.Module:
    """The float layer of the rounded weights, in double precision."""
    made = copy.deepcopy(layer).double()
    with torch.no_grad():
        axis = 1 if isinstance(layer, nn.ConvTranspose1d) else 0
        scale = held_layer.scale.reshape([-1 if place == axis else 1 for place in range(made.weight.dim())])
        made.weight.copy_(held_layer.codes.double() * scale.double())
    return made


def noise_db(ours: Tensor, wanted: Tensor) -> float:
    return float(10 * torch.log10((ours.double() - wanted.double()).square().mean() / wanted.double().square().mean()))


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", [*LAYERS, *IN_FLOAT])
def test_in_float_arithmetic_it_is_torch_s_own_layer_of_the_rounded_weights(name: str) -> None:
    layer, values = layer_of(name)
    ours = held(layer, None, "float")
    with torch.inference_mode():
        wanted = of_codes(layer, ours)(values.double())
        assert ours(values).shape == layer(values).shape
        torch.testing.assert_close(ours(values).double(), wanted, rtol=1e-5, atol=1e-5)
        assert noise_db(ours(values), layer(values)) < -35  # 8 bits of weight


@pytest.mark.usefixtures("_path")
@pytest.mark.parametrize("name", LAYERS)
def test_in_int8_it_comes_close_to_the_same(name: str) -> None:
    layer, values = layer_of(name)
    before = values.clone()
    for bound in (None, 5.0):
        ours = held(layer, bound, "int8")
        with torch.inference_mode():
            answer = ours(values)
            assert answer.shape == layer(values).shape
            assert noise_db(answer, layer(values)) < -30
            torch.testing.assert_close(ours(values), answer, rtol=0, atol=0)  # and again, with what was kept
    assert torch.equal(values, before)


@pytest.mark.usefixtures("_path")
@pytest.mark.parametrize("name", LAYERS)
def test_values_that_are_whole_steps_are_convolved_without_any_error(name: str) -> None:
    layer, values = layer_of(name)
    ours = held(layer, None, "int8")
    # Every value is 127 steps up or down, in whichever window: integers are added, and nothing is lost.
    values = 0.25 * torch.sign(values)
    with torch.inference_mode():
        wanted = of_codes(layer, ours)(values.double())
        torch.testing.assert_close(ours(values).double(), wanted, rtol=2e-6, atol=2e-6 * float(wanted.abs().max()))


@pytest.mark.usefixtures("_path")
@pytest.mark.parametrize("name", LAYERS)
def test_a_loud_time_step_changes_nothing_outside_of_the_windows_that_see_it(name: str) -> None:
    layer, values = layer_of(name)
    ours = held(layer, None, "int8")
    place = (..., values.shape[-1] // 2)
    changed, marked = values.clone(), torch.zeros_like(values)
    changed[place] *= 1_000.0
    marked[place] = 1.0
    with torch.inference_mode():
        seen = copy.deepcopy(layer)
        seen.weight.fill_(1.0)
        seen.bias = None
        reached = seen(marked).abs() > 0
        same = ours(changed) == ours(values)
        assert same[~reached].all()
        assert not same[reached].all()


@pytest.mark.usefixtures("_path")
def test_a_recording_cut_anywhere_on_its_grid_gives_the_same_bits() -> None:
    layer = nn.Conv1d(8, 16, 5, stride=2, dilation=3)
    ours = held(layer, None, "int8")
    values = torch.randn(1, 8, 4_000) * torch.linspace(0.001, 3.0, 4_000)
    with torch.inference_mode():
        whole = ours(values)
        for start, stop in ((0, 100), (500, 1_300), (1_001, 1_500)):
            part = ours(values[..., 2 * start : 2 * stop + 11])
            assert torch.equal(part[..., : stop - start], whole[..., start:stop])


def test_many_windows_are_done_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    for shape, sizes in [((1, 3, 700), (7, 100, 60)), ((9, 3, 30), (1, 1, 1)), ((2, 3, 1_200), (512, 1 << 19, 1 << 8))]:
        ours, values = held(nn.Conv1d(3, 5, 9), None, "int8"), torch.randn(shape)
        with torch.inference_mode(), monkeypatch.context() as small:
            whole = ours(values)
            for name, size in zip(("_ROWS", "_CODES", "_AT_ONCE"), sizes, strict=True):
                small.setattr(convolutions, name, size)
            assert torch.equal(ours(values), whole)


@pytest.mark.usefixtures("_path")
@pytest.mark.parametrize("name", LAYERS)
def test_silence_and_sound_in_any_memory_format(name: str) -> None:
    layer, values = layer_of(name)
    ours = held(layer, None, "int8")
    with torch.inference_mode():
        silent = ours(torch.zeros_like(values))
        torch.testing.assert_close(silent, layer(torch.zeros_like(values)))
        turned = values.movedim(1, -1).contiguous().movedim(-1, 1)
        assert torch.equal(ours(turned), ours(values))


def test_what_has_no_int8_form_or_no_int8_arithmetic_says_so() -> None:
    for name in [*LAYERS, *IN_FLOAT]:
        assert held(layer_of(name)[0], None, "float").can_compute == (name in LAYERS)
    for other in (nn.ConvTranspose2d(4, 4, 3), nn.Conv3d(1, 1, 1), nn.GRU(3, 3), nn.BatchNorm1d(4)):
        assert not linear_maps(nn.Sequential(other))


def test_sums_of_the_largest_integers_are_exact() -> None:
    layer = nn.Conv1d(64, 16, 33, bias=False)
    ours = held(layer, None, "int8")
    ours.codes.fill_(127)
    ours.scale.fill_(1.0)
    with torch.inference_mode():
        answer = ours(torch.ones(1, 64, 40))
    np.testing.assert_allclose(answer.numpy(), 127.0 * 64 * 33, rtol=1e-6)
