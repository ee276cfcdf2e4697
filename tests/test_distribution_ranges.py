"""Gradients against finite differences, the ends of the ranges, floating types and broadcasting."""

from decimal import Decimal, localcontext

import pytest
import torch
from probability import CONCENTRATIONS, F64, SCALES, SHAPES, assert_finite, f64, seeded

from vbl.probability import distributions as vd

CLOSED_FORMS = {
    "inverse_gamma_log_prob": (vd.inverse_gamma_log_prob, (0.011, 23.5, 0.245)),
    "inverse_gamma_mode": (vd.inverse_gamma_mode, (23.5, 0.245)),
    "inverse_gamma_mean": (vd.inverse_gamma_mean, (23.5, 0.245)),
    "inverse_gamma_expected_reciprocal": (vd.inverse_gamma_expected_reciprocal, (23.5, 0.245)),
    "inverse_gamma_expected_log": (vd.inverse_gamma_expected_log, (23.5, 0.245)),
    "inverse_gamma_entropy": (vd.inverse_gamma_entropy, (23.5, 0.245)),
    "kl_inverse_gamma": (vd.kl_inverse_gamma, (20.0, 0.21, 23.5, 0.245)),
    "kl_inverse_gamma, close": (vd.kl_inverse_gamma, (23.5, 0.2455, 23.5, 0.245)),
    "kl_inverse_gamma, equal": (vd.kl_inverse_gamma, (23.5, 0.245, 23.5, 0.245)),
    "kl_normal": (vd.kl_normal, (0.52, 0.013, 0.5, 0.01)),
    "kl_normal, close": (vd.kl_normal, (0.52, 0.0101, 0.5, 0.01)),
    "expected_log_normal": (vd.expected_log_normal, (0.6, 0.5, 0.002, 20.0, 0.21)),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_gradients_of_the_closed_forms_are_their_finite_differences(name):
    function, arguments = CLOSED_FORMS[name]
    inputs = [f64(v).requires_grad_() for v in arguments]
    assert torch.autograd.gradcheck(function, inputs, eps=1e-7, rtol=1e-4)


def test_gradients_of_the_dirichlet_kl_are_its_finite_differences():
    inputs = [f64(12.0, 6.0, 0.5, 2.0).requires_grad_(), f64(11.0, 7.0, 1.0, 0.2).requires_grad_()]
    assert torch.autograd.gradcheck(vd.kl_dirichlet, inputs)


def grid(*axes, dtype):
    tensors = torch.meshgrid(*(torch.tensor(a, dtype=dtype) for a in axes), indexing="ij")
    return [t.clone().requires_grad_() for t in tensors]


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_values_and_gradients_are_finite_at_the_ends_of_the_ranges(dtype):
    inputs = grid(SHAPES, SCALES, SHAPES, SCALES, dtype=dtype)
    assert_finite(vd.kl_inverse_gamma(*inputs), inputs)
    inputs = grid((0.0, 1.0), SCALES, (0.0, 1.0), SCALES, dtype=dtype)
    assert_finite(vd.kl_normal(*inputs), inputs)
    inputs = grid((0.0, 1.0), (0.5,), SCALES, SHAPES, SCALES, dtype=dtype)
    assert_finite(vd.expected_log_normal(*inputs), inputs)
    inputs = grid(SCALES, SHAPES, SCALES, dtype=dtype)
    assert_finite(vd.inverse_gamma_log_prob(*inputs), inputs)
    for closed_form in ("mode", "expected_reciprocal", "expected_log", "entropy"):
        inputs = grid(SHAPES, SCALES, dtype=dtype)
        assert_finite(getattr(vd, f"inverse_gamma_{closed_form}")(*inputs), inputs)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("name", CONCENTRATIONS)
def test_the_dirichlet_kl_is_finite_at_the_ends_of_the_range(name, dtype):
    zeta = torch.tensor(CONCENTRATIONS[name], dtype=dtype, requires_grad=True)
    for other in (zeta.detach().flip(0), torch.ones_like(zeta)):
        other.requires_grad_()
        assert_finite(vd.kl_dirichlet(zeta, other), [zeta, other])


def exact_excess(p, q):
    """r - 1 - log r for r = p/q, of two floating-point numbers, in 60 digits."""
    with localcontext(prec=60):
        r = Decimal(p) / Decimal(q)
        return float(r - 1 - r.ln())


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-6), (F64, 2e-11)])
def test_the_divergence_of_variances_is_exact_also_where_they_are_close(dtype, tolerance):
    steps = torch.logspace(-6, -0.01, 60, dtype=dtype)
    ratios = torch.cat([1 + steps, 1 - steps, torch.logspace(-12, 12, 49, dtype=dtype)])
    q = 0.1 + torch.rand(len(ratios), dtype=dtype, generator=seeded())
    p = (ratios * q).requires_grad_()
    found = 2 * vd.kl_normal(torch.zeros_like(p), p, 0.0, q)
    expected = [exact_excess(*pair) for pair in zip(p.tolist(), q.tolist(), strict=True)]
    torch.testing.assert_close(found.double(), f64(*expected), rtol=tolerance, atol=0)
    found.sum().backward()
    torch.testing.assert_close(p.grad, (1 / q.double() - 1 / p.double()).to(dtype))


# Types


EVERY_FUNCTION = {
    **{
        name: (f, len(arguments))
        for name, (f, arguments) in CLOSED_FORMS.items()
        if "," not in name
    },
    "rsample_inverse_gamma": (vd.rsample_inverse_gamma, 2),
    "kl_dirichlet": (vd.kl_dirichlet, 2),
    "rsample_dirichlet": (vd.rsample_dirichlet, 1),
}
ELEMENTWISE = [name for name in EVERY_FUNCTION if "dirichlet" not in name]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", EVERY_FUNCTION)
def test_half_precision_is_refused_in_one_line(name, dtype):
    function, count = EVERY_FUNCTION[name]
    half, single = torch.ones(3, dtype=dtype), torch.ones(3)
    for arguments in ([half] * count, [single] * (count - 1) + [half]):
        with pytest.raises(TypeError, match="expected float32 or float64") as refusal:
            function(*arguments)
        assert str(dtype) in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("name", EVERY_FUNCTION)
def test_results_have_the_type_of_the_arguments(name, dtype):
    function, count = EVERY_FUNCTION[name]
    assert function(*[torch.full((3,), 2.0, dtype=dtype)] * count).dtype == dtype


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_numbers_and_tensors_mix_and_broadcast(name):
    function, count = EVERY_FUNCTION[name]
    column, row = torch.rand(3, 1, generator=seeded()) + 2, torch.rand(4, generator=seeded(1)) + 2
    arguments = [column, row, 2.0, 3, torch.tensor(2.5)][:count]
    broadcast = [
        a.expand(3, 4) if isinstance(a, torch.Tensor) else torch.full((3, 4), float(a))
        for a in arguments
    ]
    if name.startswith("rsample"):
        found, expected = (function(*a, generator=seeded()) for a in (arguments, broadcast))
    else:
        found, expected = function(*arguments), function(*broadcast)
    assert found.shape == (3, 4) and found.dtype == torch.float32
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_plain_numbers_give_a_tensor_of_torchs_default_type(name):
    function, count = EVERY_FUNCTION[name]
    found = function(*[2.0, 3, 0.5, 4.0, 2][:count])
    assert found.shape == () and found.dtype == torch.get_default_dtype()


def test_float64_wins_over_float32_and_constants_follow_the_device_of_the_maps():
    assert vd.kl_normal(torch.zeros(2), 1.0, f64(0.0), 1.0).dtype == F64
    maps = torch.ones(2, 3, device="meta")  # a device without data stands for any accelerator
    assert vd.kl_normal(torch.tensor(0.5), maps, 0.0, 1.0).device.type == "meta"


def test_dirichlets_of_a_batch_are_those_of_its_rows():
    q, p = (torch.rand(2, 3, 5, dtype=F64, generator=seeded(s)) + 0.5 for s in (0, 1))
    each = [vd.kl_dirichlet(q[i, j], p[0, j]) for i in range(2) for j in range(3)]
    torch.testing.assert_close(vd.kl_dirichlet(q, p[0]), f64(*each).view(2, 3))
    assert vd.rsample_dirichlet(q, generator=seeded()).shape == q.shape
