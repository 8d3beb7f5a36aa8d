"""Restoring gives the same bits as the form that it had before restorers were generators: blocks pushed in and out.

That form is kept here, frozen and shortened; families that came later are not compared.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from audiorestore.engine.checkpoint import LoadedModel, make_model
from audiorestore.engine.restoring.restore import restore_waveform
from audiorestore.models import FAMILIES
from audiorestore.models._channels import fold, unfold
from audiorestore.models._network import NetworkRestorer
from audiorestore.models._segments import rise
from audiorestore.signal.resample import StreamResampler, fit


class Stream:
    """Take (batch, channels, time) and return what is ready; by default all of it, mapped."""

    def __init__(self, restore: Callable[[np.ndarray], np.ndarray]) -> None:
        self.restore = restore
        self.held = np.zeros((0, 0, 0), np.float32)

    def push(self, block: np.ndarray) -> np.ndarray:
        self.held = block[..., :0]
        return self.restore(block)

    def flush(self) -> np.ndarray:
        return self.held[..., :0]

    def hold(self, block: np.ndarray) -> None:
        self.held = np.concatenate([self.held, block], axis=-1) if self.held.size else block


class OverlapSave(Stream):
    def __init__(self, restore: Callable[[np.ndarray], np.ndarray], context: int, stride: int) -> None:
        super().__init__(restore)
        self.context, self.size = -(-context // stride) * stride, -(-(1 << 16) // stride) * stride
        self.first = self.done = 0

    def push(self, block: np.ndarray) -> np.ndarray:
        self.hold(block)
        ready = [block[..., :0]]
        while self.first + self.held.shape[-1] >= self.done + self.size + self.context:
            ready.append(self.next(self.done + self.size))
        return np.concatenate(ready, axis=-1)

    def flush(self) -> np.ndarray:
        ready, end = [self.held[..., :0]], self.first + self.held.shape[-1]
        while self.done < end:
            ready.append(self.next(min(self.done + self.size, end)))
        return np.concatenate(ready, axis=-1)

    def next(self, stop: int) -> np.ndarray:
        start = max(0, self.done - self.context)
        restored = self.restore(self.held[..., start - self.first : stop + self.context - self.first])
        kept = restored[..., self.done - start : stop - start]
        self.done, first = stop, max(0, stop - self.context)
        self.held, self.first = self.held[..., first - self.first :], first
        return kept


class Segments(Stream):
    def __init__(self, restore: Callable[[np.ndarray], np.ndarray], segment: int, overlap: int, margin: int) -> None:
        super().__init__(restore)
        self.segment, self.overlap, self.rise = segment, overlap, rise(overlap, margin)
        self.fading: np.ndarray | None = None

    def push(self, block: np.ndarray) -> np.ndarray:
        self.hold(block)
        ready, step = [block[..., :0]], self.segment - self.overlap
        while self.held.shape[-1] >= self.segment:
            restored = self.faded(self.held[..., : self.segment])
            self.held, self.fading = self.held[..., step:], restored[..., step:]
            ready.append(restored[..., :step])
        return np.concatenate(ready, axis=-1)

    def flush(self) -> np.ndarray:
        if self.fading is not None and self.held.shape[-1] == self.overlap:
            return self.fading
        return self.faded(self.held) if self.held.shape[-1] else self.held

    def faded(self, samples: np.ndarray) -> np.ndarray:
        restored = self.restore(samples)
        if self.fading is None:
            return restored
        head = self.fading + (restored[..., : self.overlap] - self.fading) * self.rise
        return np.concatenate([head, restored[..., self.overlap :]], axis=-1)


class DownAndUp(Stream):
    def __init__(self, high: int, low: int, rows: int) -> None:
        super().__init__(lambda block: block)
        self.down, self.up = StreamResampler(high, low, rows), StreamResampler(low, high, rows)
        self.frames = self.returned = 0

    def push(self, block: np.ndarray) -> np.ndarray:
        self.hold(block)
        self.frames += block.shape[-1]
        ready = [block[..., :0]]
        while self.held.shape[-1] >= 4_096:
            ready.append(self.resampled(self.held[..., :4_096]))
            self.held = self.held[..., 4_096:]
        joined = np.concatenate(ready, axis=-1)
        self.returned += joined.shape[-1]
        return joined

    def flush(self) -> np.ndarray:
        shape = self.held.shape[:-1]
        rest = [self.resampled(self.held)] if self.held.shape[-1] else []
        rest += [each.reshape(*shape, -1) for each in (self.up.push(self.down.flush()), self.up.flush())]
        return fit(np.concatenate(rest, axis=-1), self.frames - self.returned)

    def resampled(self, block: np.ndarray) -> np.ndarray:
        return self.up.push(self.down.push(block.reshape(-1, block.shape[-1]))).reshape(*block.shape[:-1], -1)


def stream_of(family: str, model: Any, channels: int) -> Stream:
    config = model.config
    if family == "level":
        return Stream(lambda block: block * np.float32(model.gain))
    if family == "resample":
        return DownAndUp(config.sample_rate, config.through_rate, channels)
    if family == "tfilm":
        return Segments(model.restore, config.window, config.overlap, min(model.context, config.overlap // 4))
    if isinstance(model, NetworkRestorer):
        drawn = model.draw(np.random.default_rng(0))
        return OverlapSave(lambda waveform: model.restore(waveform, drawn), model.context, model.stride)
    return Stream(lambda block: block)


def restored_by_pushing(family: str, model: Any, waveform: np.ndarray, rate: int) -> np.ndarray:
    channels, model_rate = len(waveform), model.config.sample_rate or rate
    to, back = StreamResampler(rate, model_rate, channels), StreamResampler(model_rate, rate, channels)
    stream, other = stream_of(family, model, channels), model_rate != rate
    sent, corrections = np.zeros((channels, 0), np.float32), []

    def correct(restored: np.ndarray) -> np.ndarray:
        nonlocal sent
        correction = unfold(restored, channels) - sent[:, : restored.shape[-1]]
        sent = sent[:, restored.shape[-1] :]
        return back.push(correction) if other else correction

    blocks = [waveform[:, start : start + 65_536] for start in range(0, waveform.shape[1], 65_536)]
    for block in [to.push(block) for block in blocks] + [to.flush()] if other else blocks:
        sent = np.concatenate([sent, block], axis=-1)
        corrections.append(correct(stream.push(fold(block, model.config.channels))))
    corrections.append(correct(stream.flush()))
    if other:
        corrections.append(back.flush())
    return waveform + np.float32(1.0) * fit(np.concatenate(corrections, axis=-1), waveform.shape[1])


def compared() -> list[str]:
    """List the families that had a push form: networks that restore by overlap-save, and these four."""
    known = ("identity", "level", "resample", "tfilm")
    models = {name: FAMILIES.load(name).Model for name in FAMILIES.names()}
    return [
        name
        for name, model in models.items()
        if name in known or (model.uses_torch and model.pieces is NetworkRestorer.pieces)
    ]


# Every family at every rate and with every number of channels, and every rate with every number of channels.
CASES = [
    (family, rate, (place + turn) % 3 + 1)
    for place, family in enumerate(compared())
    for turn, rate in enumerate((8000, 22050, 44100, 48000))
]


@pytest.mark.parametrize(("family", "rate", "channels"), CASES)
def test_restored_samples_are_those_of_the_push_form(family: str, rate: int, channels: int) -> None:
    torch.set_num_threads(1)
    module = FAMILIES.load(family)
    names = {field.name for field in dataclasses.fields(module.Config)}
    settings = {**module.PRESETS["small"], **({"parameters": 3_000} if "parameters" in names else {})}
    if family == "resample":
        settings["sample_rate"] = 22_050  # the push form needed one
    torch.manual_seed(0)
    model, rng = make_model(family, settings), np.random.default_rng(0)
    state = model.state()
    state |= {
        name: (array + rng.uniform(0.01, 0.05, array.shape)).astype(array.dtype)
        for name, array in state.items()
        if array.dtype.kind == "f"
    }
    model.load_state(state)
    waveform = (0.2 * rng.standard_normal((channels, int(3.2 * rate)))).astype(np.float32)  # more than one piece
    expected = restored_by_pushing(family, model, waveform, rate)
    np.testing.assert_array_equal(
        restore_waveform(LoadedModel(family, family, model, {}, ""), waveform, rate), expected
    )
    assert family == "identity" or np.abs(expected - waveform).max() > 1e-3
