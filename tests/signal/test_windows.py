"""Overlapping windows over blocks of any cut: the same as slices of the whole recording."""

from itertools import chain, islice, repeat

import numpy as np

from audiorestore.signal.sound import windows


def literal(samples: np.ndarray, length: int, hop: int, before: int, after: int, pad: bool) -> list[list[int]]:
    frames = len(samples)
    expected = []
    for start in range(-before, frames + length + after, hop):
        places = range(start, start + length)
        expected.append([int(samples[at]) if 0 <= at < frames else 0 for at in places if pad or 0 <= at < frames])
        if start + length >= frames + after:
            break
    return expected if frames else []


def test_windows_are_slices_of_the_recording_whatever_its_blocks() -> None:
    rng = np.random.default_rng(0)
    for _ in range(400):
        frames, length = int(rng.integers(0, 60)), int(rng.integers(1, 20))
        hop, before, after = int(rng.integers(1, length + 1)), int(rng.integers(0, length)), int(rng.integers(0, 15))
        samples = np.arange(1, frames + 1)
        blocks = np.split(samples, np.sort(rng.integers(0, frames + 1, int(rng.integers(0, 12)))))
        for pad in (False, True):
            cut = [each.tolist() for each in windows(blocks, length, hop, before=before, after=after, pad=pad)]
            assert cut == literal(samples, length, hop, before, after, pad), (frames, length, hop, before, after, pad)


def test_all_axes_but_time_and_the_type_are_kept() -> None:
    blocks = [np.ones((2, 3, 5), np.float32)] * 3
    cut = list(windows(blocks, 8, 7, before=1, pad=True))
    assert {(each.shape, each.dtype) for each in cut} == {((2, 3, 8), np.dtype(np.float32))}
    assert [each[0, 0].sum() for each in cut] == [7.0, 8.0, 2.0]


def test_blocks_that_never_end_are_read_only_as_far_as_needed() -> None:
    taken = []

    def blocks() -> chain[np.ndarray]:
        return chain.from_iterable((taken.append(count), [np.full(10, count)])[1] for count, _ in enumerate(repeat(0)))

    first, second = islice(windows(blocks(), 8, 6), 2)
    assert first.tolist() == [0] * 8
    assert second.tolist() == [0] * 4 + [1] * 4
    assert taken == [0, 1]
