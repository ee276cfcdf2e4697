"""The probabilistic models of the book, one derivation per file; and their weights on disk."""

from vbl.models.checkpoints import BadCheckpoint, load, load_weights, save_weights, training_log
from vbl.models.lud_vae import LUDVAE
from vbl.models.lud_vae_neighbours import LUDVAENeighbours
from vbl.models.model import Restoration, check_choices
from vbl.models.on_off import OnOffModel
from vbl.models.photon import PhotonModel
from vbl.models.supervised import Supervised
from vbl.models.vbdeblur import VBDeblurNet
from vbl.models.vbdeblur_learned_concentration import VBDeblurNetLearnedConcentration
from vbl.models.vdir import VDIR
from vbl.models.vdn import VDN
from vbl.models.virnet import VIRNet
from vbl.models.virnet_sr import VIRNetSR
from vbl.models.virnet_sr_learned_width import VIRNetSRLearnedWidth
