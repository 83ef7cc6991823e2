"""The settings of the segmentation network and its training."""

import dataclasses
from typing import Literal

from tfgansynth import ranges


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class UNetConfig:
    """The segmentation network and its training."""

    architecture: Literal["paper", "modern"] = ranges.optional("paper")
    """The network, its loss and its optimizer. `paper`: two convolutions at each level,
    cross-entropy, --unet.optimizer [paper IV-B]. `modern`: residual blocks (He et al.
    2016) with group normalization (Wu and He 2018), more maps at coarser levels;
    cross-entropy plus 1 minus soft Dice; Adam with decoupled weight decay
    (Loshchilov and Hutter 2019). If the length is fixed, the rate falls to 0 along a
    cosine; under the stopping rule, whose end nobody knows before, it is constant.
    Other settings follow it, unless they are given: half the maps, which cost about
    as much, and optimizer, rate and decay [choice]"""
    depth: ranges.Halvings = 4
    """Number of average poolings. [paper IV-B]; on the way up, a 2 x 2
    up-convolution of stride 2 with ReLU doubles the side of the maps [choice]"""
    maps: ranges.Count = 64
    """Feature maps of every convolution [paper IV-B]; in `modern` of those at full
    size, twice as many after each pooling [choice]. A 1 x 1 convolution makes
    the two logits of them. Kernels start from Keras's He normal, which is cut off
    at two standard deviations, while Caffe's MSRA is not [choice]"""
    most_maps: ranges.Count = dataclasses.field(default=256, metadata=ranges.OPTIONAL)
    """Bound of the doubled maps of `modern`; it has --unet.maps at least. [choice]"""
    kernel_size: ranges.Kernel = 3
    """Side of the convolution kernels. [paper IV-B]; maps are padded with zeros and
    keep their side [choice]"""
    optimizer: Literal["nesterov", "adam"] = "nesterov"
    """Nesterov's method as Caffe computes it [paper IV-B]; its learning rate needs
    thousands of epochs. Or Adam, with Keras's beta_1 0.9, beta_2 0.999 and epsilon
    1e-7 [choice, fast]"""
    learning_rate: ranges.Amount = 1e-5
    """Learning rate. [paper IV-B]; higher for Adam in [choice, fast]"""
    momentum: ranges.Share = 0.99
    """Momentum of Nesterov's method. [paper IV-B]"""
    weight_decay: ranges.Amount = 5e-4
    """L2 weight decay, added to the gradient before the momentum. [paper IV-B]; none
    in [choice, fast]. `modern` takes it, decoupled from the gradient, and Adam with
    `paper` none [choice]"""
    batch: ranges.Count = 16
    """Pairs in a mini-batch. [paper IV-B]; drawn without replacement: an epoch has
    every pair once, and its last mini-batch may be smaller [choice]"""
    validation_error: Literal["cross_entropy", "dice"] = "cross_entropy"
    """The error that decides when to stop: the training loss on the validation
    cases (`cross_entropy`; in `modern` it has a Dice part too), or 1 minus their mean
    Dice. The paper says "validation error" [choice].
    With 30 cases the cross-entropy rises from overconfidence while the masks still
    improve: Dice in [choice, fast]"""
    stop_window: ranges.Count = 10
    """Epochs in the average of the validation error. Training stops when this
    average rises. [paper IV-B]"""
    go_on_while_falling: bool = ranges.optional(False)
    """Do not stop while the error falls, as where that of a lucky first epoch leaves
    the average: its mean over the last third of the window is below each error before
    in it. Off [paper IV-B]; on in [choice, fast]"""
    min_steps: ranges.CountOrZero = 0
    """Mini-batches before which the rule does not stop. The paper names none [paper
    IV-B]; Adam's validation error is too noisy at first, so more in [choice,
    fast]"""
    max_epochs: ranges.Count = 20000
    """Epochs after which training ends in any case. The paper names none. Its rule
    has always stopped training before. [choice]"""
    average_decay: ranges.Share = 0.0
    """Decay of the running average of the weights, which is validated and
    evaluated; it leaves the rule less noise to stop on. 0 takes the weights
    themselves [choice]; on in [choice, fast]"""
    keep: Literal["last", "best"] = "last"
    """Which weights are evaluated: those at the stop, or those of the epoch with
    the lowest validation error. The paper does not say. The last [choice]; the best
    in [choice, fast]"""
    fixed_steps: ranges.CountOrZero = 0
    """Mini-batches of every training, whatever the validation error, up to the end
    of an epoch. 0: the stopping rule ends it [paper IV-B]. Fixed-budget regimes
    take --evaluation.budgets, so that they differ in their pairs only
    [choice]"""
    steps_an_epoch: ranges.CountOrZero = 0
    """Mini-batches between two validations. 0: one pass through the pairs [paper
    IV-B]. Fixed-budget regimes take --evaluation.budget-epoch [choice]"""
    real_share: ranges.Share = 0.0
    """Share of real pairs in each mini-batch that has both kinds. 0: as a shuffle
    of all pairs mixes them [paper IV-B]; fixed [choice]"""
    pretraining_steps: ranges.CountOrZero = dataclasses.field(
        default=0, metadata=ranges.OPTIONAL
    )
    """First mini-batches that have synthetic pairs alone, where a training of a fixed
    number has both kinds; all later ones have real pairs alone. Best weights are
    those of a later epoch. 0: both kinds are mixed [paper IV-B]; half of them in the
    regime `pretrained` [choice]"""
    augment: Literal["none", "elastic", "strong", "cutmix", "learned"] = "none"
    """Classical augmentation of the training pairs: none [paper IV-B]; elastic in the
    augmented fixed-budget regimes [choice]; strong, cutmix or learned, whose strengths
    are --augmentation.strong-scale to --augmentation.learned-strength; learned from
    the masks of the real training pairs, of the synthetic ones where there are no
    real ones [choice]"""
    precision: ranges.Precision = "float32"
    """Number format of the convolutions. Weights and loss are always float32.
    float32 [choice]; auto takes bfloat16 where the machine accelerates it [choice,
    fast]"""

    def maps_at(self, level: int) -> int:
        """Feature maps after so many poolings."""
        if self.architecture == "paper":
            return self.maps
        return max(self.maps, min(self.maps << level, self.most_maps))
