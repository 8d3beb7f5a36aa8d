"""What `ar quantize` changed, as a table and in sentences."""

from typing import Any

from rich.table import Table
from rich.text import Text

_MOST_NAMES = 8
_METRICS = (("snr_db", "SNR, dB"), ("lsd_db", "LSD, dB"))


def comparison_table(result: dict[str, Any]) -> Table:
    """Show size, speed and quality of a model's two forms side by side."""
    before, after = result["bytes"]
    table = Table("", before, after, "change", title=Text(f"{result['from']} → {result['model']}"))
    for column in table.columns[1:]:
        column.justify = "right"
    sizes, speeds = (list(result[key].values()) for key in ("bytes", "times_real_time"))
    change = f"{sizes[1] / sizes[0] - 1:+.1%}" if sizes[0] else ""
    table.add_row("size, bytes", *(f"{size:,}" for size in sizes), change)
    table.add_row("speed, × real time", *(f"{speed:.1f}" for speed in speeds), f"× {result['speed_ratio']:.2f}")
    for key, unit in _METRICS:
        means = [result.get(key, {}).get(form) for form in (before, after)]
        if None not in means:
            table.add_row(unit, *(f"{mean:.3f}" for mean in means), f"{means[1] - means[0]:+.4f}")
    shares = result[f"{after}_share"]
    table.add_row(f"numbers stored in {after}", "", f"{shares['stored']:.1%}", "")
    table.add_row("multiply-adds in int8", "", f"{shares['computed']:.1%}", "")
    return table


def remarks(result: dict[str, Any]) -> list[str]:
    """Say what did not become smaller or faster, and why.

    >>> remarks({"family": "level", "layers": []})
    ["the family 'level' has no dense layers, convolutions or LSTMs, so nothing changes"]
    """
    if not result["layers"]:
        return [f"the family '{result['family']}' has no dense layers, convolutions or LSTMs, so nothing changes"]
    _, dtype = result["bytes"]
    said = _float_layers(result["layers"]) if dtype == "int8" else []
    if left := result["left_in_float32"]:
        count = sum(left.values())
        one, many = ("parameter stays", "it belongs", "it is"), ("parameters stay", "they belong", "they are")
        stay, belong, are = one if count == 1 else many
        why = f"{belong} to no int8 layer" if dtype == "int8" else f"{are} too large or too small for float16"
        said.append(f"{count:,} {stay} in float32 because {why}: {_listed(left)}")
    before, after = result["bytes"].values()
    if after >= before:
        said.append("the file is not smaller")
    if result["speed_ratio"] < 1.0:
        said.append(f"{dtype} is not faster on this machine ({result['speed_ratio']:.2f}× the speed of float)")
    return said


def _float_layers(layers: list[dict[str, Any]]) -> list[str]:
    """Group the layers that are computed in float by the reason."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for layer in layers:
        if layer["arithmetic"] == "float":
            groups.setdefault(layer["reason"], []).append(layer)
    said = []
    for reason, group in groups.items():
        gains = [layer["gain"] for layer in group if layer["gain"] is not None]
        ends = dict.fromkeys(f"{gain:.2f}×" for gain in (min(gains), max(gains))) if gains else {}
        measured = f" ({' to '.join(ends)} the speed of float)" if gains else ""
        said.append(f"computed in float: {_listed([layer['name'] for layer in group])}; {reason}{measured}")
    return said


def _listed(names: Any) -> str:
    """Write the first few of many names."""
    rest = len(names) - _MOST_NAMES
    return ", ".join(list(names)[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")
