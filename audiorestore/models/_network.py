"""The base class of families with a torch network, which adds forward, objective and players to the contract."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..signal.sound import Block, Sound
from ._channels import fold, unfold
from ._restorer import Restorer, RestorerConfig
from ._segments import Restore, overlap_save

Losses = dict[str, Tensor]
Objective = Callable[[Tensor, Tensor, np.random.Generator], Losses]


@dataclass(frozen=True)
class Player:
    """Parameters that are trained by one optimizer, and the losses whose sum it minimises.

    Attributes:
        name: For logs.
        parameters: The parameters that the optimizer changes.
        objective: Called with degraded, reference (batch, channels, time) and a random generator. In each round, the
            first batch is the same for all players, and so are the second, the third …
        steps: Optimizer steps in each round of the training loop.
        options: Settings that override those of `TrainConfig`: optimizer, learning_rate, weight_decay, schedule,
            warmup_steps, clip_norm; others, such as betas, are passed to the optimizer.
    """

    name: str
    parameters: list[nn.Parameter]
    objective: Objective
    steps: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)


class NetworkRestorer(nn.Module, Restorer):
    """A restorer that is a torch module.

    Attention is best written with plain ``nn.Linear`` layers: `ar quantize` leaves torch's fused ones as they are.
    """

    learns = "by steps"
    uses_torch = True

    def __init__(self, config: RestorerConfig) -> None:
        nn.Module.__init__(self)
        self.config = config

    def forward(self, degraded: Tensor, draw: Any = None) -> Tensor:
        """Restore (batch, channels, time), for any time ≥ 1; returns the same shape."""
        raise NotImplementedError

    def objective(self, degraded: Tensor, reference: Tensor, rng: np.random.Generator) -> Losses:
        """Compute the losses of one batch by name; training minimises their sum. By default the mean squared error.

        Both tensors are (batch, channels, time). The first and last ``context`` samples are context only:
        `without_context` removes them before the error is measured.
        """
        restored, wanted = map(self.without_context, (self(degraded, self.draw(rng)), reference))
        return {"mse": functional.mse_loss(restored, wanted)}

    def without_context(self, waveform: Tensor) -> Tensor:
        """Remove ``context`` samples at both ends of (…, time)."""
        return waveform[..., self.context : waveform.shape[-1] - self.context]

    def players(self) -> list[Player]:
        """List the players; by default one with all parameters."""
        return [Player("model", list(self.parameters()), self.objective)]

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw the random numbers of one recording, for `forward`; most families need none."""
        return None

    def restored(self, sound: Sound, rng: np.random.Generator) -> Iterator[Block]:
        """Restore a recording block by block."""
        drawn = self.draw(rng)
        batches = (fold(block, self.config.channels) for block in sound.blocks())
        for batch in self.pieces(lambda waveform: self.restore(waveform, drawn), batches):
            yield unfold(batch, sound.channels)

    def pieces(self, restore: Restore, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Restore a long recording with a function that restores one waveform; by overlap-save, unless overridden."""
        return overlap_save(restore, batches, self.context, self.stride)

    def restore(self, waveform: np.ndarray, draw: Any = None) -> np.ndarray:
        """Run the network on a whole (batch, channels, time) in evaluation mode; returns the same shape."""
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
        """Return the module that restores: this one, or the submodule that a family chooses."""
        return self

    def count_parameters(self) -> int:
        """Count the parameters of the part that restores."""
        return count_parameters(self.restoring_part())

    def load_restoring_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Load the parameters and buffers of the part that restores; those of other parts may be missing."""
        part = next(f"{name}." if name else "" for name, each in self.named_modules() if each is self.restoring_part())
        others = {name: array for name, array in self.state().items() if not name.startswith(part)}
        self.load_state({**state, **others})

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Load parameters and buffers by name."""
        for name, tensor in self.state_dict().items():
            if name in state and tuple(tensor.shape) != state[name].shape:  # older torch accepts a vector for a scalar
                raise ValueError(f"{name} has the shape {state[name].shape}, not {tuple(tensor.shape)}")
            if name in state and tensor.is_floating_point() != np.issubdtype(state[name].dtype, np.floating):
                raise ValueError(f"{name} holds {state[name].dtype}, not {tensor.dtype}")  # torch accepts both
        try:
            self.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in state.items()})
        except RuntimeError as error:
            raise ValueError(str(error).splitlines()[-1].strip()) from None


def count_parameters(module: nn.Module) -> int:
    """Count the trainable parameters."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def solve_width(build: Callable[[int], nn.Module], budget: int) -> int:
    """Find the width whose network comes closest to a parameter budget.

    ``build`` makes the network of a given width; it is called on torch's meta device, which allocates no memory.
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
