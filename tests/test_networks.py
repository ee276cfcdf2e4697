"""Plain networks: the papers' sizes, any height and width, precision."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vbl.networks import (
    DeblurNet,
    Decoder,
    Discriminator,
    DnCNN,
    Encoder,
    Features,
    FFDNet,
    KernelCode,
    KernelPlainNet,
    KernelResNet,
    LevelDecoder,
    Mix,
    Network,
    NoiseEncoder,
    ResUNet,
    RIRNet,
    SigmaNet,
    UNet,
    pad_to_multiple,
    use_bf16,
)
from vbl.utils import bf16_pays

# Small ones. All keep their input's size, and say how far they look and where they repeat.
NETWORKS = {
    "ResUNet": lambda: ResUNet(3, (2, 3), (1, 2)),
    "deep ResUNet": lambda: ResUNet(4, (2, 2, 2), 1),
    "flat ResUNet": lambda: ResUNet(3, (2,), 2),
    "UNet": lambda: UNet(3, (2, 2, 2), 2),
    "DnCNN": lambda: DnCNN(3, 2, 5),
    "SigmaNet": lambda: SigmaNet(3, 2, 4, 1),
    "FFDNet": lambda: FFDNet(3, 6, 4),
    "RIRNet": lambda: RIRNet(3, 2, 2, 1),
    "RIRNet on sub-images": lambda: RIRNet(3, 2, 1, 2, shrink=2),
}


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        pytest.param(ResUNet(4, (96, 192, 288), 3), 10_426_179, id="VIRNet synthetic"),
        pytest.param(ResUNet(6, (96, 160, 224, 288), 3), 15_178_883, id="VIRNet real"),
        pytest.param(ResUNet(7, (96, 160, 224), 2), 4_991_011, id="VIRNet SR"),
        # LUD-VAE's has biases before its normalisation
        pytest.param(DnCNN(3, 64, 17), 559_363 - 15 * 64, id="DnCNN"),
        pytest.param(FFDNet(3, 96, 12), 852_108, id="FFDNet"),
        pytest.param(RIRNet(7, 64, 5, 5), 2_073_795, id="VDIR"),
        # three blocks of 590,336 and a convolution
        pytest.param(Features(3, 128), 1_771_520, id="LUD-VAE content"),
        pytest.param(NoiseEncoder(3, 128, 128, (1, 1, 1)), 1_936_384, id="LUD-VAE noise"),
        pytest.param(LevelDecoder(3, 128, 128, (1, 1, 1)), 2_001_923, id="LUD-VAE decoder"),
    ],
)
def test_the_papers_networks_have_the_papers_parameters(network, expected):
    assert parameters(network) == expected


def small(name):
    torch.manual_seed(0)
    return NETWORKS[name]().eval()


def call(network, y, std=0.1):
    if not network.needs_noise_level:
        return network(y)
    return network(y, torch.full_like(y[:, :1], std))


@settings(deadline=None, max_examples=25)
@given(name=st.sampled_from(list(NETWORKS)), h=st.integers(1, 37), w=st.integers(1, 37))
def test_a_network_takes_any_size(name, h, w):
    network = small(name)
    y = torch.rand(2, network.in_channels, h, w)
    with torch.no_grad():
        output = call(network, y)
    assert output.shape[-2:] == y.shape[-2:] and output.isfinite().all()


@pytest.mark.parametrize("name", NETWORKS)
def test_two_images_are_treated_as_each_alone(name):
    network = small(name)
    y = torch.rand(2, network.in_channels, 12, 16)
    with torch.no_grad():
        together = call(network, y)
        alone = torch.cat([call(network, image) for image in y.split(1)])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("name", NETWORKS)
def test_bfloat16_inside_is_float32_outside_and_near(name):
    network = small(name)
    y = torch.rand(1, network.in_channels, 16, 16)
    with torch.no_grad():
        exact = call(network, y)
        use_bf16(network, True)
        low = call(network, y)
        use_bf16(network, False)
        again = call(network, y)
    assert low.dtype == torch.float32
    assert 0 < (low - exact).abs().max() < 0.05
    assert torch.equal(again, exact)


def farthest(network: Network, row: int, side: int) -> int:
    """How far the output at (row, row) looks, measured by its gradient.

    All weights and inputs are positive: no activation is off and nothing cancels.
    """
    x = torch.ones(1, network.in_channels, side, side, dtype=torch.float64, requires_grad=True)
    level = (torch.ones(1, 1, side, side).double(),) if network.needs_noise_level else ()
    output = network(x, *level) + (x if network.needs_noise_level else 0)
    (gradient,) = torch.autograd.grad(output[0, 0, row, row], x)
    rows, columns = gradient[0].ne(0).any(0).nonzero().sub(row).abs().amax(0).tolist()
    assert rows == columns
    return rows


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_looks_exactly_as_far_as_it_says(name):
    network = small(name).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_().add_(0.01)
    radius, step = network.receptive_radius, network.stride
    first = math.ceil(radius / step) * step
    reach = {farthest(network, first + i, 2 * first + 2 * step) for i in range(step)}
    assert max(reach) == radius


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_repeats_itself_after_its_stride_and_not_before(name):
    network = small(name).double()
    side, shifts = 8 * network.stride + 2 * network.receptive_radius, []
    x = torch.rand(1, network.in_channels, side, side, dtype=torch.float64)
    level = (torch.ones(1, 1, side, side).double(),) if network.needs_noise_level else ()
    with torch.no_grad():
        whole = network(x, *level)
        for shift in range(1, network.stride + 1):
            moved = network(*(v.roll((-shift, -shift), (-2, -1)) for v in (x, *level)))
            middle = slice(network.receptive_radius + shift, -network.receptive_radius - shift)
            back = moved.roll((shift, shift), (-2, -1))
            if torch.allclose(back[..., middle, middle], whole[..., middle, middle]):
                shifts.append(shift)
    assert shifts == [network.stride]


def test_a_network_with_several_outputs_returns_each_in_float32():
    network, y = Features(3, 4, (2, 1)), torch.rand(1, 3, 7, 9)
    with torch.no_grad():
        exact = network(y)
        use_bf16(network, True)
        low = network(y)
    assert [tuple(level.shape) for level in low] == [(1, 4, 4, 5), (1, 4, 7, 9)]
    assert all(level.dtype == torch.float32 for level in low)
    assert all(0 < (a - b).abs().max() < 0.05 for a, b in zip(low, exact, strict=True))


def test_a_coarse_level_is_the_mean_of_the_pixels_there_are():
    network = Features(3, 4, (4, 1))
    network.blocks = nn.ModuleList([nn.Identity(), nn.Identity()])
    y = torch.rand(1, 3, 6, 5)
    with torch.no_grad():
        coarse, fine = network(y)
    corners = (fine[..., :4, :4], fine[..., :4, 4:], fine[..., 4:, :4], fine[..., 4:, 4:])
    means = torch.stack([corner.mean((2, 3)) for corner in corners], -1).view(1, 4, 2, 2)
    torch.testing.assert_close(coarse, means)


def test_maps_of_two_sizes_meet_on_the_finer_ones_places():
    network, coarse, fine = (
        Mix([2, 3], 5, enlarge=4),
        torch.rand(1, 2, 2, 2),
        torch.rand(1, 3, 6, 5),
    )
    with torch.no_grad():
        mixed = network(coarse, fine)
        place = torch.cat([coarse[..., 1, 0], fine[..., 5, 3]], 1)[..., None, None]
        torch.testing.assert_close(mixed[..., 5:6, 3:4], network.layers(place))
    assert mixed.shape == (1, 5, 6, 5)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_decoded_before_training_has_the_contrast_of_an_image(seed):
    torch.manual_seed(seed)
    content, decoder = Features(3, 24, (4, 2, 1)), LevelDecoder(3, 24, 4, (4, 2, 1))
    with torch.no_grad():
        state, *others = content(torch.rand(2, 3, 16, 16))
        for level, step in enumerate(decoder.steps):
            if level > 0:
                state = decoder.joins[level - 1](state, others[level - 1])
            state = step(state, torch.zeros(2, 4, *state.shape[-2:]))
        contrast = decoder.tail(state).std((2, 3)).mean()
    assert 0.03 < contrast < 1


def test_bf16_reaches_networks_inside_a_model():
    model = nn.ModuleDict({"a": nn.Sequential(small("DnCNN")), "b": nn.Conv2d(1, 1, 1)})
    use_bf16(model, True)
    assert [m.bf16 for m in model.modules() if isinstance(m, Network)] == [True]


def test_a_cpu_without_bfloat16_instructions_does_not_use_it(monkeypatch):
    cpu = torch.device("cpu")
    for flags, pays in (({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda flags=flags: flags)
        assert bf16_pays(cpu) is pays
    assert not bf16_pays(torch.device("mps"))


def test_dncnn_returns_minus_the_noise_it_predicts():
    network, y = small("DnCNN"), torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(network(y), -network.noise(y))


def test_ffdnet_hears_the_noise_level_of_each_place():
    network, y = small("FFDNet"), torch.rand(1, 3, 40, 40)
    level = torch.full((1, 1, 40, 40), 0.1)
    changed = level.clone()
    changed[..., :2, :2] = 0.5
    with torch.no_grad():
        difference = (network(y, changed) - network(y, level)).abs().amax(1)[0]
    reach = 2 * 4  # four convolutions on half the resolution
    assert difference[:2, :2].max() > 0
    assert difference[2 + reach :, :].max() == 0 and difference[:, 2 + reach :].max() == 0


def test_ffdnet_may_be_told_something_else_than_a_noise_level():
    network = FFDNet(3, 6, 4, conditioning=4)
    assert not network.needs_noise_level
    code = torch.rand(1, 4, 9, 10)
    with torch.no_grad():
        first, second = (network(torch.zeros(1, 3, 9, 10), told) for told in (code, 1 - code))
    assert first.shape == (1, 3, 9, 10) and not torch.equal(first, second)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (13, 18), (1, 5)])
def test_a_code_has_a_quarter_of_the_size_rounded_up_and_decodes_to_four_times_that(height, width):
    torch.manual_seed(0)
    code = Encoder(3, 4, 4)(torch.rand(2, 3, height, width))
    quarter = (-(-height // 4), -(-width // 4))
    assert code.shape == (2, 8, *quarter)
    assert Decoder(3, 4, 4)(code[:, :4]).shape == (2, 3, 4 * quarter[0], 4 * quarter[1])


def test_the_encoder_looks_no_farther_than_it_says():
    torch.manual_seed(0)
    encoder, y = Encoder(3, 4, 4).double(), torch.rand(1, 3, 96, 96, dtype=torch.float64)
    changed = y.clone()
    changed[..., 48, 48] += 1
    with torch.no_grad():
        difference = (encoder(changed) - encoder(y)).abs().amax((0, 1))
    places = difference.nonzero()
    pixels = torch.stack([4 * places, 4 * places + 3])  # first and last pixel of each place
    reach = (pixels - 48).abs().max() + 4  # and the bilinear way back
    assert 0 < reach <= encoder.receptive_radius


def test_a_discriminator_judges_patches_and_changes_no_image_by_more_than_its_norm():
    torch.manual_seed(0)
    network = Discriminator(3, 2)
    for _ in range(30):
        network(torch.rand(1, 3, 64, 64))  # in training each call improves the estimated norms
    network.eval()
    assert network(torch.rand(1, 3, 64, 96)).shape == (1, 1, 2, 3)
    for layer in (*network.convolutions, network.tail):
        assert abs(torch.linalg.matrix_norm(layer.weight.flatten(1), 2) - 1) < 0.02


def test_the_number_of_blocks_must_fit_the_scales():
    with pytest.raises(ValueError, match="blocks: expected one number or 3"):
        ResUNet(3, (4, 6, 8), (1, 2))


@given(h=st.integers(1, 20), w=st.integers(1, 20), multiple=st.integers(1, 8))
@settings(deadline=None, max_examples=30)
def test_padding_reaches_the_next_multiple_and_keeps_the_image(h, w, multiple):
    x = torch.rand(1, 2, h, w)
    padded = pad_to_multiple(x, multiple)
    assert all(n % multiple == 0 for n in padded.shape[-2:])
    assert all(a - b < multiple for a, b in zip(padded.shape[-2:], (h, w), strict=True))
    assert torch.equal(padded[..., :h, :w], x)


# VBDeblurNet's

DEBLURRING = {
    "told nothing": lambda: DeblurNet(3, 2, 1, scales=2, middle=1),
    "told a code": lambda: DeblurNet(3, 2, 1, scales=1, middle=1, code=4),
    "on sub-images": lambda: DeblurNet(3, 2, 1, scales=1, middle=1, shrink=2),
}


def deblurring(name):
    """A small network, and what it is told of one image."""
    torch.manual_seed(0)
    code = (torch.ones(1, 4).double(),) if name == "told a code" else ()
    return DEBLURRING[name]().eval().double(), code


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (DeblurNet(blocks=2), 2_689_654),
        (DeblurNet(blocks=4), 3_871_350),
        (DeblurNet(blocks=6), 5_053_046),
        (DeblurNet(blocks=4, code=20), 4_640_906 - 159_892),
        (KernelCode(), 159_892),
        (KernelResNet(), 12_635_601),
        (KernelResNet(numbers=41**2), 13_356_321),
    ],
)
def test_vbdeblurnets_networks_have_the_authors_parameters(network, expected):
    assert parameters(network) == expected


@pytest.mark.parametrize("name", DEBLURRING)
@settings(deadline=None, max_examples=8)
@given(h=st.integers(1, 21), w=st.integers(1, 21))
def test_a_deblurring_network_takes_any_size(name, h, w):
    network, code = deblurring(name)
    with torch.no_grad():
        output = network(torch.rand(1, 3, h, w).double(), *code)
    assert output.shape == (1, 6, h, w) and output.isfinite().all()


@pytest.mark.parametrize("name", DEBLURRING)
def test_a_deblurring_network_looks_exactly_as_far_as_it_says(name):
    network, code = deblurring(name)
    with torch.no_grad():
        for parameter in network.parameters():  # nothing is off, nothing cancels
            parameter.abs_().add_(0.01)
    radius, step = network.receptive_radius, network.stride
    first = -(-radius // step) * step
    reach = []
    for place in range(first, first + step):
        y = torch.ones(1, 3, *2 * [2 * first + 2 * step], dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(network(y, *code)[0, 0, place, place], y)
        reach.append((gradient[0, 0].nonzero() - place).abs().max())
    assert max(reach) == radius


@pytest.mark.parametrize("name", DEBLURRING)
def test_a_deblurring_network_treats_its_image_the_same_after_its_stride(name):
    network, code = deblurring(name)
    radius, step = network.receptive_radius, network.stride
    y = torch.rand(1, 3, *2 * [4 * step + 2 * radius + 2 * step], dtype=torch.float64)
    with torch.no_grad():
        whole, moved = (network(v, *code) for v in (y, y.roll((-step, -step), (-2, -1))))
    middle = slice(radius + step, -radius - step)
    back = moved.roll((step, step), (-2, -1))
    torch.testing.assert_close(back[..., middle, middle], whole[..., middle, middle])


def test_a_deblurring_network_hears_what_it_is_told():
    network, _ = deblurring("told a code")
    y = torch.rand(1, 3, 8, 8).double()
    with torch.no_grad():
        first, second = (network(y, code) for code in torch.rand(2, 1, 4).double())
    assert (first - second).abs().max() > 1e-4


def test_the_encoder_of_deblur_net_modulates_after_its_blocks_and_the_decoder_before():
    network, _ = deblurring("told a code")
    x, code = torch.rand(1, 2, 6, 6).double(), torch.rand(1, 4).double()
    encoder, decoder = network.encoders[0], network.decoders[0]
    with torch.no_grad():
        after = encoder.modulation(x + encoder.blocks(x), code)
        torch.testing.assert_close(encoder(x, code), after)
        before = decoder.modulation(x, code)
        torch.testing.assert_close(decoder(x, code), before + decoder.blocks(before))


@pytest.mark.parametrize("slope", [0.2, 0.25])
def test_the_noise_network_has_the_slope_it_is_given(slope):
    network = SigmaNet(1, 1, 2, 1, slope=slope)
    for convolution in network.convolutions:
        torch.nn.init.dirac_(convolution.weight), torch.nn.init.zeros_(convolution.bias)
    answer = network(torch.tensor([[[[-1.0, 2.0]]]]))
    torch.testing.assert_close(answer, torch.tensor([[[[-slope, 2.0]]]]))


def test_a_kernels_code_tells_a_kernel_from_its_mirror_image():
    torch.manual_seed(0)
    code, kernel = KernelCode(5, 4), torch.rand(3, 1, 7, 7) / 49
    with torch.no_grad():
        assert code(kernel).shape == (3, 5)
        assert (code(kernel) - code(kernel.flip(-1, -2))).abs().max() > 1e-4


KERNEL_NETS = {
    "ResNet": lambda: KernelResNet(3, 9, (3, 4, 5), 2, 6),
    "plain": lambda: KernelPlainNet(3, 9, 4, 2, 6, window=8),
}


def kernel_net(name):
    torch.manual_seed(0)
    network = KERNEL_NETS[name]()
    for block in getattr(network, "blocks", []) if name == "plain" else ():
        torch.nn.init.kaiming_normal_(block.second.weight)  # they begin silent
    return network.double()


@pytest.mark.parametrize("name", KERNEL_NETS)
@pytest.mark.parametrize("size", [(1, 1), (5, 40), (33, 18)])
def test_kernel_net_answers_for_images_of_any_size(name, size):
    network, y = kernel_net(name), torch.rand(2, 3, *size).double()
    with torch.no_grad():
        together, alone = network(y), torch.cat([network(image) for image in y.split(1)])
    assert together.shape == (2, 9) and together.isfinite().all()
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("name", KERNEL_NETS)
def test_kernel_net_does_not_see_brightness_contrast_and_colour(name):
    network, y = kernel_net(name), torch.rand(1, 3, 20, 24).double()
    grey = y.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    with torch.no_grad():
        for other in (0.5 * y + 0.3, grey):
            torch.testing.assert_close(network(other), network(y), rtol=1e-3, atol=1e-4)
        assert (network(y.flip(-1)) - network(y)).abs().max() > 1e-3


def test_the_windows_of_a_large_image_answer_in_equal_parts():
    network = kernel_net("plain")
    tile = torch.rand(1, 3, 8, 8).double()
    seen = []
    network.hidden.register_forward_pre_hook(lambda _, x: seen.append(x[0].shape))
    with torch.no_grad():
        network(tile), network(tile.repeat(1, 1, 2, 3)), network(torch.rand(1, 3, 15, 8).double())
    assert seen == [(1, 1, 1, 8), (1, 2, 3, 8), (1, 1, 1, 8)]
