"""Which layers of a module can be stored in int8, and putting their int8 forms in their places."""

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from .convolutions import Int8Conv1d, Int8Conv2d, Int8ConvTranspose1d
from .layers import Int8Layer, Int8Linear
from .recurrent import Int8Lstm, lstm_maps

LinearMap = nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d

# Exact types only: what a subclass does with its weight is not known.
_FORMS: dict[type[nn.Module], type[Int8Layer]] = {
    nn.Linear: Int8Linear,
    nn.Conv1d: Int8Conv1d,
    nn.Conv2d: Int8Conv2d,
    nn.ConvTranspose1d: Int8ConvTranspose1d,
}
# Their fused kernels read the weights of the layers within.
_FUSED = nn.MultiheadAttention, nn.TransformerEncoderLayer


def _candidates(model: nn.Module, part: str) -> dict[str, nn.Module]:
    """List a part's layers and LSTMs that have an int8 form, or are one, by their names in the model."""
    module = model.get_submodule(part)
    plain_lstm = type(module) is nn.LSTM and module.proj_size == 0
    if part and (isinstance(module, Int8Layer | Int8Lstm) or type(module) in _FORMS or plain_lstm):
        return {part: module}
    found: dict[str, nn.Module] = {}
    if not isinstance(module, _FUSED):
        for child, _ in module.named_children():
            found |= _candidates(model, f"{part}.{child}" if part else child)
    return found


def linear_maps(model: nn.Module, part: str = "") -> dict[str, LinearMap]:
    """List the dense layers and convolutions that can be stored in int8, or are, by their names in the model.

    An LSTM is two dense layers for each of its layers and directions, ``inputs_l0`` and ``recurrent_l0``.

    Args:
        model: Any torch module.
        part: The name of the submodule to look into; "" for all of the model.
    """
    maps: dict[str, LinearMap] = {}
    for name, module in _candidates(model, part).items():
        if isinstance(module, nn.LSTM | Int8Lstm):
            inner = lstm_maps(module) if isinstance(module, nn.LSTM) else dict(module.named_children())
            maps |= {f"{name}.{key}": each for key, each in inner.items() if isinstance(each, nn.Linear)}
        elif isinstance(module, LinearMap):
            maps[name] = module
    return maps


def hold_in_int8(model: nn.Module, part: str = "") -> dict[str, Int8Layer]:
    """Store all linear maps of a part of a model in int8, with batch normalisation folded into them; computed in float.

    The model is in evaluation mode afterwards.

    Returns:
        The int8 layers, by the names that `linear_maps` has for them.
    """
    for module in model.eval().get_submodule(part).modules():
        if isinstance(module, nn.Sequential):
            _fold(module)
    for name, module in _candidates(model, part).items():
        parent, _, child = name.rpartition(".")
        if isinstance(module, nn.LSTM):
            setattr(model.get_submodule(parent), child, Int8Lstm(module))
        elif type(module) in _FORMS:
            setattr(model.get_submodule(parent), child, _FORMS[type(module)].of(module))
    return {name: layer for name, layer in linear_maps(model, part).items() if isinstance(layer, Int8Layer)}


def _fold(layers: nn.Sequential) -> None:
    """Fold batch normalisation, a scale and a shift in evaluation, into the layer before it; an identity is left."""
    for place in range(1, len(layers)):
        before, norm = layers[place - 1], layers[place]
        if isinstance(norm, nn.BatchNorm1d) and isinstance(before, nn.Linear):
            layers[place - 1], layers[place] = fuse_linear_bn_eval(before, norm), nn.Identity()
        elif isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d) and isinstance(before, nn.Conv1d | nn.Conv2d):
            layers[place - 1], layers[place] = fuse_conv_bn_eval(before, norm), nn.Identity()
