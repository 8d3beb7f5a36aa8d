"""LSTMs with 8-bit weights that take the place of torch's own.

An LSTM is two linear maps for each layer and direction: one of the input, computed for all steps at once, and one of
the previous step's output, computed step by step. Each has one scale for each row of each gate. The output of a step is
within −1…1 (a sigmoid times a tanh), so all steps share one scale; the input is rounded step by step. To compute either
map in int8, torch's own loop has to be left for one in Python, which costs about 0.1 ms a step: that pays where the
recurrent weights no longer fit into a core's cache. Both maps are therefore one decision.

Source: Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9 (8), 1997; gates in torch's order.
"""

from typing import Any

import torch
from torch import Tensor, nn

from .layers import Derived, Int8Linear

_KINDS = {"inputs": "ih", "recurrent": "hh"}


def lstm_maps(lstm: nn.LSTM) -> dict[str, nn.Linear]:
    """List an LSTM's linear maps by the names that they have in an `Int8Lstm`; the weights are the LSTM's own."""
    maps = {}
    for suffix in _suffixes(lstm):
        for kind, short in _KINDS.items():
            weight = getattr(lstm, f"weight_{short}{suffix}")
            maps[f"{kind}{suffix}"] = dense = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
            dense.weight = weight
        if lstm.bias:
            bias = getattr(lstm, f"bias_ih{suffix}") + getattr(lstm, f"bias_hh{suffix}")
            maps[f"inputs{suffix}"].bias = nn.Parameter(bias.detach())
    return maps


class Int8Lstm(Derived):
    """Takes the place of a `torch.nn.LSTM` without projections, in evaluation."""

    def __init__(self, lstm: nn.LSTM) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers = lstm.input_size, lstm.hidden_size, lstm.num_layers
        self.bidirectional, self.batch_first, self.bias = lstm.bidirectional, lstm.batch_first, lstm.bias
        for name, dense in lstm_maps(lstm).items():
            held = Int8Linear.of(dense)
            held.bound = 1.0 if name.startswith("recurrent") else None
            self.add_module(name, held)

    def forward(self, values: Tensor, state: Any = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run over (batch, time, in), or (time, batch, in) where the LSTM is not batch first.

        Whatever else torch's own layer takes, such as a state to start from, is computed in float.

        Returns:
            All outputs, in the same order of axes; the last outputs and cells, each (layers · directions, batch,
            hidden).
        """
        plain = state is None and isinstance(values, Tensor) and values.dim() == 3
        if not plain or all(held.arithmetic == "float" for held in self.children()):
            lstm: nn.LSTM = self.derived("float", self._as_float)
            return lstm(values, state)  # type: ignore[no-any-return]
        values = values if self.batch_first else values.transpose(0, 1)
        ends = []
        for layer in range(self.num_layers):
            answers = [self._run(f"_l{layer}{direction}", values) for direction in _directions(self)]
            values = torch.cat([answer for answer, _ in answers], dim=-1)
            ends += [end for _, end in answers]
        outputs, cells = (torch.stack(each) for each in zip(*ends, strict=True))
        return values if self.batch_first else values.transpose(0, 1), (outputs, cells)

    def _run(self, suffix: str, values: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run one layer in one direction over (batch, time, in)."""
        backwards = suffix.endswith("_reverse")
        recurrent = self.get_submodule(f"recurrent{suffix}")
        driven = self.get_submodule(f"inputs{suffix}")(values.flip(1) if backwards else values)
        output = cell = driven.new_zeros(len(values), self.hidden_size)
        answers = []
        for step in driven.unbind(1):
            gates = recurrent(output).add_(step)
            candidate = gates[:, 2 * self.hidden_size : 3 * self.hidden_size].tanh()
            input_gate, forget_gate, _, output_gate = gates.sigmoid_().chunk(4, dim=1)
            cell = torch.addcmul(forget_gate * cell, input_gate, candidate)
            output = output_gate * cell.tanh()
            answers.append(output)
        answer = torch.stack(answers, dim=1)
        return answer.flip(1) if backwards else answer, (output, cell)

    def _as_float(self) -> nn.LSTM:
        """Make torch's own layer of the int8 weights."""
        like = self.get_submodule("inputs_l0").scale
        sizes = self.input_size, self.hidden_size, self.num_layers, self.bias, self.batch_first
        lstm = nn.LSTM(*sizes, bidirectional=self.bidirectional, device=like.device, dtype=like.dtype)
        with torch.no_grad():
            for suffix in _suffixes(self):
                for kind, short in _KINDS.items():
                    held = self.get_submodule(kind + suffix)
                    getattr(lstm, f"weight_{short}{suffix}").copy_(held.weight)
                    if self.bias:
                        getattr(lstm, f"bias_{short}{suffix}").copy_(0.0 if held.bias is None else held.bias)
        return lstm.eval().requires_grad_(False)


def _directions(lstm: "nn.LSTM | Int8Lstm") -> list[str]:
    return ["", "_reverse"] if lstm.bidirectional else [""]


def _suffixes(lstm: "nn.LSTM | Int8Lstm") -> list[str]:
    """List the ends of the weights' names, as torch has them: ``_l0``, ``_l0_reverse``, ``_l1`` …"""
    return [f"_l{layer}{direction}" for layer in range(lstm.num_layers) for direction in _directions(lstm)]
