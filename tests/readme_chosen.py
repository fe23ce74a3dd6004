"""Numbers of the README's prose that are no results: what was chosen, and names.

By section, phrases; the reason stands beside each.
"""

MNIST = "MNIST: does training labels apart pay?"
SPEED = "Speed"
DENSITY = "Density from diffraction"
DISTORTIONS = "Distortions of perovskites from one image"
REDUCTION = "Gradient reduction"

# Section -> phrase -> why it needs no result.
CHOSEN = {
    MNIST: {
        "0.5 M parameters a pair": "counted: the networks of configs/mnist.py:tuned",
        "training images (128,000)": "the product of the steps and images told here",
        "with 32 instead of 8 images": "said to have no table",
        "5e-4, 1e-3 and 2e-3": "learning rates that were tried",
    },
    SPEED: {
        "targets, 25 s cold and 8 s warm": "what was wanted",
        "images of 32 x 32": "what networks of three stages draw",
        "CIFAR-10, CIFAR-100,": "names",
        "the labels of CIFAR-100": "a name",
    },
    DENSITY: {
        "64 probe positions over 8 x 8 A": "configs/stem_density.py:smoke",
        "SHA-256": "a name",
        "must be 0": "a condition of a file",
        "at 0.08 A a pixel": "half the grid's points lie at half that",
        "a ring from 70 mrad": "assumed in benchmarks/strontium_titanate.py",
        "specimens 200 to 400 A thick": "the thicker of those assumed there",
        "from 30 mrad": "assumed there",
    },
    DISTORTIONS: {
        "intervals of 68 and 95 %: quantiles": "what the intervals are to hold",
        "27 Glazer systems to 15 degrees": "what is drawn",
        "displacements to 30 pm": "what is drawn",
        "of 2 x 2 cells and 3 to 5 nm": "what is drawn",
        "has a slope of 1 pm": "a unit",
        "10^4 electrons per A^2": "what is drawn",
        "(95 % interval; every": "which interval",
        "Intervals of 68 and 95 %": "what the intervals are to hold",
        "foci that were held out (40 to 60 A)": "what is drawn",
        "(27 classes": "the published form",
        "[001]": "a direction",
        "the four cells of 2 x 2": "how means are taken",
        "its four cells of 2 x 2": "how means are taken",
    },
    REDUCTION: {
        "(ZeRO-1)": "a name",
        "on 4 x 8 H200": "a machine that is described",
        "At 25 GB/s optimal groups": "a link that is described",
        "on 4 x 8 at 5 GB/s": "a link that is described",
        "rows of 32 x 8": "a machine that is described",
        "Of ResNet-50 and the DC-GAN": "a name",
        "network at 256 pixels, groups of 50 MiB, told,": "configs/stem_density.py",
        "At 300 Mbit/s": "a shaped link",
        "for 32 tensors": "the FC-DenseNet's",
        "161 in every cycle": "ResNet-50's",
        "at 27,600 devices": "where it was published",
        "weak scaling to 128 devices": "what was published",
        "half speed at 6,000": "what was published",
        "the 0.93 and parity with DDP to 1,536": "what was published",
    },
}
