"""Where networks run, and how precisely."""

from typing import Literal

import torch

from ..errors import UsageError

Precision = Literal["float32", "bf16", "fp16"]


def choose_device(name: str = "auto") -> torch.device:
    """Find the device of that name; ``auto`` is the first accelerator that there is, or else the CPU.

    A device that is not here is a UsageError.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"there is no device '{name}' here ({str(error).splitlines()[0]})") from None
    return device


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Make the context in which torch computes in mixed precision; with ``float32`` it changes nothing.

    ``fp16`` on a CPU is a UsageError.
    """
    if precision == "fp16" and device.type == "cpu":
        raise UsageError("precision=fp16 needs a GPU; use bf16 or float32 on a CPU")
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=precision != "float32")
