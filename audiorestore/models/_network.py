"""What families with a torch network add to the contract: forward, objective and players."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..signal.sound import Block, Sound
from ._channels import fold, unfold
from ._restorer import Restorer, RestorerConfig
from ._segments import Restore, overlap_save

Losses = dict[str, Tensor]
Objective = Callable[[Tensor, Tensor, np.random.Generator], Losses]


@dataclass(frozen=True)
class Player:
    """One who learns: parameters, and the losses whose sum training minimises by changing them.

    Attributes:
        name: For logs.
        parameters: The parameters that this player may change.
        objective: Called with degraded, reference (batch, channels, time) and a generator for what it draws. In each
            round, the first batch is the same for all players, and so are the second, the third …
        steps: How many steps this player takes in each round of the training loop.
        options: Settings of its own, before those of `TrainConfig`: optimizer, learning_rate, weight_decay, schedule,
            warmup_steps, clip_norm; others, such as betas, are handed to the optimizer.
    """

    name: str
    parameters: list[nn.Parameter]
    objective: Objective
    steps: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)


class NetworkRestorer(nn.Module, Restorer):
    """A restorer whose work is done by a torch module.

    Attention is best written with plain ``nn.Linear`` layers: `ar quantize` leaves torch's fused ones as they are.
    """

    learns = "by steps"
    uses_torch = True

    def __init__(self, config: RestorerConfig) -> None:
        nn.Module.__init__(self)
        self.config = config

    def forward(self, degraded: Tensor, draw: Any = None) -> Tensor:
        """Restore (batch, channels, time), any time ≥ 1, same shape back."""
        raise NotImplementedError

    def objective(self, degraded: Tensor, reference: Tensor, rng: np.random.Generator) -> Losses:
        """Compute the losses of one batch by name; training minimises their sum.

        Both tensors are (batch, channels, time) and have ``context`` more samples on each side, which
        `without_context` removes, than the part whose error counts.
        """
        raise NotImplementedError

    def without_context(self, waveform: Tensor) -> Tensor:
        """Cut off ``context`` samples at both ends of (…, time)."""
        return waveform[..., self.context : waveform.shape[-1] - self.context]

    def players(self) -> list[Player]:
        """List who learns; by default one player with all parameters."""
        return [Player("model", list(self.parameters()), self.objective)]

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw what the family draws once for each recording, for `forward`; most draw nothing."""
        return None

    def restored(self, sound: Sound, rng: np.random.Generator) -> Iterator[Block]:
        """Restore a recording piece by piece."""
        drawn = self.draw(rng)
        batches = (fold(block, self.config.channels) for block in sound.blocks())
        for batch in self.pieces(lambda waveform: self.restore(waveform, drawn), batches):
            yield unfold(batch, sound.channels)

    def pieces(self, restore: Restore, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Restore a long recording with a function that restores one waveform: by overlap-save, unless overridden."""
        return overlap_save(restore, batches, self.context, self.stride)

    def restore(self, waveform: np.ndarray, draw: Any = None) -> np.ndarray:
        """Run the network on (batch, channels, time) at once, in evaluation mode; same shape back."""
        device = next(itertools.chain(self.parameters(), self.buffers())).device
        training = self.training
        if training:
            self.eval()
        try:
            with torch.inference_mode():
                restored = self(torch.from_numpy(np.ascontiguousarray(waveform, np.float32)).to(device), draw)
        finally:
            if training:
                self.train()
        array: np.ndarray = restored.cpu().numpy()
        return array

    def state(self) -> dict[str, np.ndarray]:
        """Return parameters and buffers by name."""
        return {name: tensor.detach().cpu().numpy() for name, tensor in self.state_dict().items()}

    def restoring_part(self) -> nn.Module:
        """Return the module that restores: this one, unless a family names one of its submodules."""
        return self

    def count_parameters(self) -> int:
        """Count the parameters of the part that restores."""
        return count_parameters(self.restoring_part())

    def load_restoring_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take parameters and buffers of the part that restores; those of other parts may be missing."""
        part = next(f"{name}." if name else "" for name, each in self.named_modules() if each is self.restoring_part())
        others = {name: array for name, array in self.state().items() if not name.startswith(part)}
        self.load_state({**state, **others})

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take parameters and buffers by name."""
        for name, tensor in self.state_dict().items():
            if name in state and tuple(tensor.shape) != state[name].shape:  # older torch takes a row for a number
                raise ValueError(f"{name} has the shape {state[name].shape}, not {tuple(tensor.shape)}")
            if name in state and tensor.is_floating_point() != np.issubdtype(state[name].dtype, np.floating):
                raise ValueError(f"{name} holds {state[name].dtype}, not {tensor.dtype}")  # torch takes either
        try:
            self.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in state.items()})
        except RuntimeError as error:
            raise ValueError(str(error).splitlines()[-1].strip()) from None


def count_parameters(module: nn.Module) -> int:
    """Count the parameters that training may change."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def solve_width(build: Callable[[int], nn.Module], budget: int) -> int:
    """Find the width whose network comes closest to a parameter budget.

    Args:
        build: Makes the network of a given width; called without allocating any memory.
        budget: The number of parameters to come close to.
    """

    def size(width: int) -> int:
        with torch.device("meta"):
            return count_parameters(build(width))

    low, high = 1, 2
    while size(high) < budget:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if size(middle) < budget:
            low = middle
        else:
            high = middle
    return min((low, high), key=lambda width: abs(size(width) - budget))
