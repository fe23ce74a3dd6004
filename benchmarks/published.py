"""Published scores and rates, to stand beside ours; every one with its source."""

from typing import NamedTuple

STUDIOGAN = "PyTorch-StudioGAN"
MIMICRY = "mimicry"


class Scores(NamedTuple):
    """Of one method on one data set; an empty string is a score nobody published.

    Attributes:
      dataset: name as in configs/.
      method: name as published.
      source: who published it.
      inception_score: IS.
      fid: Fréchet inception distance.
      intra_fid: intra-class FID.
    """

    dataset: str
    method: str
    source: str
    inception_score: str
    fid: str
    intra_fid: str = ""


# StudioGAN: 32 x 32 pixels, 50,000 fakes, the Inception network of TensorFlow. Of the
# method's own paper, arXiv:2102.10485, we hold no table: its row stays empty.
SCORES = (
    Scores("cifar10", "label-sharded DC-GANs", "arXiv:2102.10485", "", ""),
    Scores("cifar10", "DCGAN", STUDIOGAN, "6.11", "48.29", "117.00"),
    Scores("cifar10", "ACGAN-Mod", STUDIOGAN, "7.19", "33.39", "72.75"),
    Scores("cifar10", "WGAN-GP", STUDIOGAN, "5.22", "53.98", "119.22"),
    Scores("cifar10", "PD-GAN", STUDIOGAN, "7.25", "31.54", "65.04"),
    Scores("cifar10", "SNGAN", STUDIOGAN, "8.83", "9.01", "22.85"),
    Scores("cifar10", "BigGAN", STUDIOGAN, "9.96", "4.16", "14.29"),
    Scores("cifar10", "StyleGAN2+ADA", STUDIOGAN, "10.53", "2.31", "11.82"),
    Scores("cifar10", "DCGAN", MIMICRY, "", "28.95"),
    Scores("cifar10", "cGAN-PD", MIMICRY, "8.25", "10.84"),
    Scores("cifar100", "label-sharded DC-GANs", "arXiv:2102.10485", "", ""),
    Scores("cifar100", "SNGAN", MIMICRY, "7.57", "22.61"),
    Scores("cifar100", "cGAN-PD", MIMICRY, "8.92", "14.16"),
)

# arXiv:1909.11150, half precision, of the 125 TFLOP/s that a V100 can do.
PEAK_TFLOPS_PER_V100 = "77.9"
SUSTAINED_TFLOPS_PER_V100 = "55.8"
CEILING_TFLOPS_PER_V100 = "125"
