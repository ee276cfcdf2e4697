"""Networks from image channels to output channels, without distributions.

A *restorer* returns the residual r of the restored image y + r, never the image itself: so the sum
is taken in float32 even if the network computes in bfloat16. Every restorer takes any height and
width; it pads its input and crops its output.
"""

from vbl.networks.adversary import Discriminator
from vbl.networks.autoencoder import Decoder, Encoder, Estimator
from vbl.networks.deblurring import DeblurNet, KernelCode, KernelPlainNet, KernelResNet
from vbl.networks.estimators import AttentiveBlock, KernelNet, SigmaNet
from vbl.networks.lud_vae import Features, LevelDecoder, Mix, Neighbours, NoiseEncoder
from vbl.networks.network import (
    Anywhere,
    Network,
    append_constants,
    pad_to_multiple,
    placed,
    use_bf16,
)
from vbl.networks.restorers import DnCNN, FFDNet, ResBlock, ResUNet, UNet
from vbl.networks.rir import RIRNet
