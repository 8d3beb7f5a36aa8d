"""Packets that never arrive, one by one or in bursts, and what a simple player puts in their place.

The network is in one of two states, good or bad, each with its own probability of losing a packet. By default it loses
none in the good state and all in the bad one, so ``burst_packets`` is how many packets in a row are lost on average.
The first packet always arrives, since a player starts with it. All channels lose the same packets.

A lost packet is replaced by silence (``zero``), by the last one that arrived, repeated through the burst (``repeat``),
or by the same fading out from 10 ms to 60 ms (``fade``, the levels of G.711 Appendix I without its pitch waveforms and
cross-fades).

Source: Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal 39, 1960 (nothing is lost in the
good state); Elliott, "Estimates of error rates for codes on burst-noise channels", Bell System Technical Journal 42,
1963 (losses in both); ITU-T G.711 Appendix I, 1999 (fading).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioRestoreError
from ..signal.sound import BLOCK_FRAMES, Sound, regrid
from ._damage import Choice, DamageConfig, Damaged, Domain, Outcome, Span, parameter

FILLS = ("zero", "repeat", "fade")
_FADE_SECONDS = (0.010, 0.060)  # when the fade begins, and when it ends


@dataclass(frozen=True)
class Config(DamageConfig):
    """How much is lost, how it clusters, and what fills the gaps."""

    packet_ms: float = parameter(
        Choice((10.0, 20.0, 40.0, 60.0)), Domain(float, "ms", "how much sound one packet holds", low=1.0, high=500.0)
    )
    loss_percent: float = parameter(
        Span(2.0, 20.0), Domain(float, "%", "share of all packets that are lost, in the long run", low=0.0, high=90.0)
    )
    burst_packets: float = parameter(
        Span(1.0, 4.0), Domain(float, "packets", "how long the bad state lasts on average", low=1.0, high=1000.0)
    )
    good_loss_percent: float = parameter(
        0.0, Domain(float, "%", "share of the packets that are lost in the good state", low=0.0, high=90.0)
    )
    bad_loss_percent: float = parameter(
        100.0, Domain(float, "%", "share of the packets that are lost in the bad state", low=1.0, high=100.0)
    )
    fill: str = parameter(
        Choice(FILLS), Domain(str, meaning="silence, last packet repeated, or repeated and fading out", choices=FILLS)
    )
    loss_seed: int = parameter(
        Span(0, 2**32 - 1), Domain(int, meaning="seed of the losses, drawn for each record", low=0, high=2**32 - 1)
    )


def apply(sound: Sound, config: Config) -> Damaged:
    """Lose packets; report how many there were (``packets``) and were lost (``lost_packets``, ``lost_percent``).

    Raises:
        AudioRestoreError: No network of two states loses so much in such bursts.
    """
    network = _Network(config)
    size = max(1, round(config.packet_ms * sound.sample_rate / 1000.0))
    last = np.zeros((sound.channels, size), np.float32)  # the last packet that arrived
    missing = packets = lost = 0  # lost since then; all packets so far; all that were lost
    for block in regrid(sound.blocks(), sound.channels, sound.frames, size * max(1, BLOCK_FRAMES // size)):
        fates = network.lost(-(-block.shape[-1] // size))
        damaged = block.copy()
        for index, is_lost in enumerate(fates.tolist()):
            packet = damaged[:, index * size : (index + 1) * size]
            if is_lost:
                level = _level(config.fill, missing * size, packet.shape[-1], sound.sample_rate)
                packet[:] = last[:, : packet.shape[-1]] * level
                missing += 1
            else:
                last, missing = packet, 0
        packets, lost = packets + len(fates), lost + int(fates.sum())
        last = last.copy()
        yield damaged
    share = 100.0 * lost / packets if packets else 0.0
    return Outcome({"packets": packets, "lost_packets": lost, "lost_percent": round(share, 3)})


def _level(fill: str, start: int, frames: int, sample_rate: int) -> NDArray[np.float32]:
    """Get the gain of ``frames`` samples of the last packet, ``start`` samples into a burst."""
    if fill != "fade":
        return np.full(frames, fill == "repeat", np.float32)
    seconds = np.arange(start, start + frames) / sample_rate
    return np.interp(seconds, _FADE_SECONDS, (1.0, 0.0)).astype(np.float32)


class _Network:
    """Gilbert's and Elliott's channel: a Markov chain of two states, and a probability of loss in each."""

    def __init__(self, config: Config) -> None:
        shares = (config.loss_percent, config.good_loss_percent, config.bad_loss_percent)
        loss, in_good, in_bad = (percent / 100.0 for percent in shares)
        if not in_good <= loss < in_bad and loss != in_good:
            raise AudioRestoreError(
                f"loss_percent={100 * loss:g} must lie between good_loss_percent={100 * in_good:g} and "
                f"bad_loss_percent={100 * in_bad:g}, below the latter"
            )
        bad_share = (loss - in_good) / (in_bad - in_good) if loss != in_good else 0.0
        self._leave = 1.0 / config.burst_packets
        self._enter = self._leave * bad_share / (1.0 - bad_share)
        if self._enter > 1.0 + 1e-9:  # as much as rounding may add
            longer = math.ceil(100.0 * bad_share / (1.0 - bad_share)) / 100.0
            raise AudioRestoreError(
                f"bursts of {config.burst_packets:g} packets cannot lose {100 * loss:g} % of all packets, even "
                f"with one packet between bursts; ask for burst_packets={longer:g} or more"
            )
        self._loss = (in_good, in_bad)
        self._rng = np.random.default_rng(config.loss_seed)
        self._bad = bool(self._rng.random() < bad_share)
        self._is_first = True

    def lost(self, packets: int) -> NDArray[np.bool_]:
        """Draw for each of the next packets whether it is lost."""
        moves, fates = self._rng.random((packets, 2)).T
        bad = np.empty(packets, bool)
        for index, move in enumerate(moves.tolist()):
            bad[index] = self._bad
            self._bad = move >= self._leave if self._bad else move < self._enter
        lost = fates < np.where(bad, self._loss[1], self._loss[0])
        if self._is_first:
            lost[:1] = False
            self._is_first = False
        return np.asarray(lost, np.bool_)
