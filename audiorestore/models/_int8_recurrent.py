"""LSTMs with 8-bit weights that take the place of torch's own.

An LSTM is two linear maps for each layer and direction: one over what comes in, which is done for all steps at once,
and one over what the step before gave, done step by step. Each has one scale for each row of each gate. What a step
gives lies within −1…1 (a sigmoid times a tanh), so that all steps share one step of rounding; what comes in is rounded
step by step. To compute either map in int8, torch's own loop has to be left for one in Python, which costs about 0.1 ms
a step: that pays where the recurrent weights no longer fit into a core's cache. Both maps are therefore one decision.

Source: Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9 (8), 1997; gates in torch's order.
"""

from collections.abc import Mapping
from typing import TypeGuard

import torch
from torch import Tensor, nn

from ._int8 import Arithmetic, Int8Map, Int8Module


def can_hold_lstm(module: nn.Module) -> TypeGuard[nn.LSTM]:
    """Tell whether a module is an LSTM whose weights can be held in int8: one without projections."""
    return isinstance(module, nn.LSTM) and module.proj_size == 0


def lstm_maps(lstm: nn.LSTM) -> dict[str, nn.Linear]:
    """List an LSTM's linear maps by the names that they have in an `Int8Lstm`; the weights are the LSTM's own."""
    maps = {}
    for suffix in _suffixes(lstm.num_layers, lstm.bidirectional):
        inputs, recurrent = getattr(lstm, f"weight_ih{suffix}"), getattr(lstm, f"weight_hh{suffix}")
        maps[f"inputs{suffix}"] = _dense(inputs)
        maps[f"recurrent{suffix}"] = _dense(recurrent)
        if lstm.bias:
            bias = getattr(lstm, f"bias_ih{suffix}") + getattr(lstm, f"bias_hh{suffix}")
            maps[f"inputs{suffix}"].bias = nn.Parameter(bias.detach())
    return maps


class Int8Lstm(Int8Module):
    """Takes the place of a `torch.nn.LSTM` in evaluation that begins from nothing.

    Args:
        lstm: The LSTM, without projections.
        arithmetic: ``int8`` or ``float`` for each of `lstm_maps`.
    """

    def __init__(self, lstm: nn.LSTM, arithmetic: Mapping[str, Arithmetic]) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers = lstm.input_size, lstm.hidden_size, lstm.num_layers
        self.bidirectional, self.batch_first, self.bias = lstm.bidirectional, lstm.batch_first, lstm.bias
        for name, dense in lstm_maps(lstm).items():
            held = Int8Map.of(dense, 1.0 if name.startswith("recurrent") else None, arithmetic[name])
            held.stopwatch = self.stopwatch
            self.add_module(name, held)

    def forward(self, values: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run over (batch, time, in), or (time, batch, in) as the LSTM was told; get all its outputs, and how it ended:
        the last outputs and cells, each (layers · directions, batch, hidden)."""
        with self.stopwatch:
            if all(self._map(f"{kind}{suffix}").arithmetic == "float" for kind, suffix in self._places()):
                told: tuple[Tensor, tuple[Tensor, Tensor]] = self.kept("float", self._as_float)(values)
                return told
            values = values if self.batch_first else values.transpose(0, 1)
            ends = []
            directions = 2 if self.bidirectional else 1
            suffixes = _suffixes(self.num_layers, self.bidirectional)
            for layer in range(self.num_layers):
                answers = []
                for suffix in suffixes[layer * directions : (layer + 1) * directions]:
                    answer, end = self._run(suffix, values)
                    answers.append(answer)
                    ends.append(end)
                values = torch.cat(answers, dim=-1)
            outputs, cells = (torch.stack(each) for each in zip(*ends, strict=True))
            return values if self.batch_first else values.transpose(0, 1), (outputs, cells)

    def _run(self, suffix: str, values: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run one layer in one direction over (batch, time, in)."""
        backwards = suffix.endswith("_reverse")
        recurrent = self._map(f"recurrent{suffix}")
        driven = self._map(f"inputs{suffix}")(values.flip(1) if backwards else values)
        output = cell = driven.new_zeros(len(values), self.hidden_size)
        answers = []
        for moment in driven.unbind(1):
            gates = recurrent(output).add_(moment)
            candidate = gates[:, 2 * self.hidden_size : 3 * self.hidden_size].tanh()
            kept_in, kept, _, let_out = gates.sigmoid_().chunk(4, dim=1)
            cell = torch.addcmul(kept * cell, kept_in, candidate)
            output = let_out * cell.tanh()
            answers.append(output)
        answer = torch.stack(answers, dim=1)
        return answer.flip(1) if backwards else answer, (output, cell)

    def _map(self, name: str) -> Int8Map:
        held = self.get_submodule(name)
        assert isinstance(held, Int8Map)
        return held

    def _places(self) -> list[tuple[str, str]]:
        suffixes = _suffixes(self.num_layers, self.bidirectional)
        return [(kind, suffix) for suffix in suffixes for kind in ("inputs", "recurrent")]

    def _as_float(self) -> nn.LSTM:
        """Make torch's own layer of the int8 weights."""
        like = self._map("inputs_l0").scale
        lstm = nn.LSTM(
            self.input_size,
            self.hidden_size,
            self.num_layers,
            self.bias,
            self.batch_first,
            bidirectional=self.bidirectional,
            device=like.device,
            dtype=like.dtype,
        )
        with torch.no_grad():
            for kind, suffix in self._places():
                held, short = self._map(f"{kind}{suffix}"), {"inputs": "ih", "recurrent": "hh"}[kind]
                getattr(lstm, f"weight_{short}{suffix}").copy_(held.weight * held.scale[:, None])
                if self.bias:
                    getattr(lstm, f"bias_{short}{suffix}").copy_(0.0 if held.bias is None else held.bias)
        return lstm.eval().requires_grad_(False)


def _suffixes(layers: int, bidirectional: bool) -> list[str]:
    """List the ends of the weights' names, as torch has them.

    >>> _suffixes(2, True)
    ['_l0', '_l0_reverse', '_l1', '_l1_reverse']
    """
    ways = ["", "_reverse"] if bidirectional else [""]
    return [f"_l{layer}{way}" for layer in range(layers) for way in ways]


def _dense(weight: nn.Parameter) -> nn.Linear:
    dense = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    dense.weight = weight
    return dense
