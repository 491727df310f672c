"""The networks and augmentations for images, grey and in colour."""

from __future__ import annotations

import pytest
import torch

from portfolio.contract.network_params import ConvolutionParams
from portfolio.contract.networks import ConvolutionNetwork, Shifts


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_reaches_the_convolutions_as_it_is_laid_out(channels: int) -> None:
    """Pixel by pixel: what the first convolution sees of a red picture has red alone."""
    network = ConvolutionNetwork(ConvolutionParams(), (4, 6, channels), 0, 255, 2).eval()
    seen: list[torch.Tensor] = []
    network.layers[0].register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0]))
    image = torch.zeros(4, 6, channels)
    image[1, 5, 0] = 255
    assert network(image.reshape(1, -1)).shape == (1, 2)
    (found,) = seen
    assert found.shape == (1, channels, 4, 6)
    assert found.nonzero().tolist() == [[0, 0, 1, 5]]
    assert found.max() == 1


@pytest.mark.parametrize("background", [None, 7.0])
def test_a_photo_is_shifted_with_all_its_colours(background: float | None) -> None:
    torch.manual_seed(0)
    image = torch.arange(5 * 4 * 3, dtype=torch.float32).reshape(5, 4, 3)
    moved = Shifts((5, 4, 3), background)(image.reshape(1, -1).repeat(300, 1)).reshape(300, 5, 4, 3)
    if background is None:
        padded = torch.nn.functional.pad(image.movedim(-1, 0)[None], (1, 1, 1, 1), mode="replicate")[0].movedim(0, -1)
    else:
        padded = torch.full((7, 6, 3), background)
        padded[1:6, 1:5] = image
    places = {
        (down, right)
        for one in moved
        for down in range(3)
        for right in range(3)
        if torch.equal(one, padded[down : down + 5, right : right + 4])
    }
    assert places == {(down, right) for down in range(3) for right in range(3)}
    assert all(
        any(torch.equal(one, padded[down : down + 5, right : right + 4]) for down, right in places) for one in moved
    )
