"""Where networks run."""

import torch

from ..errors import UsageError


def choose_device(name: str = "auto") -> torch.device:
    """Find the device of that name; ``auto`` is the first accelerator that there is, or else the CPU.

    Raises:
        UsageError: There is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"there is no device '{name}' here ({str(error).splitlines()[0]})") from None
    return device
