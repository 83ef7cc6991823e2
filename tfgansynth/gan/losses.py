"""The adversarial losses, functions of the discriminator's two logits."""

from collections.abc import Callable, Mapping
from typing import Any

from keras import ops

Loss = Callable[[Any, Any], tuple[Any, Any]]
"""(logits of real pairs, logits of synthetic pairs) -> (loss of D, loss of G).

Logits are float32 (m, 2): column 0 scores "synthetic", column 1 "real". Both
losses are scalars to be minimized."""


def probability_real(logits: Any) -> Any:
    """D(.), the probability in [0, 1] that a pair is real: (m, 2) -> (m,)."""
    return ops.softmax(logits)[:, 1]


def _log_d(logits: Any) -> Any:
    return ops.log_softmax(logits)[:, 1]


def _log_one_minus_d(logits: Any) -> Any:
    return ops.log_softmax(logits)[:, 0]


def non_saturating(real: Any, synthetic: Any) -> tuple[Any, Any]:
    """Softmax cross-entropy; G maximizes log D(G(z)). Source: tf-dcgan."""
    d_loss = -ops.mean(_log_d(real)) - ops.mean(_log_one_minus_d(synthetic))
    return d_loss, -ops.mean(_log_d(synthetic))


def minimax(real: Any, synthetic: Any) -> tuple[Any, Any]:
    """Cross-entropy for D; G minimizes eq. (2), log(1 - D(G(z))). Paper: III."""
    d_loss, _ = non_saturating(real, synthetic)
    return d_loss, ops.mean(_log_one_minus_d(synthetic))


def paper_equation_1(real: Any, synthetic: Any) -> tuple[Any, Any]:
    """Eq. (1) and (2) exactly as they are written. Paper: III.

    Eq. (1) minimizes log D(G(z)) + log(1 - D(x)). It has the optimum of the
    cross-entropy but no lower bound, so that D's gradient never vanishes. We know of
    no code that trains with it.
    """
    d_loss = ops.mean(_log_d(synthetic)) + ops.mean(_log_one_minus_d(real))
    return d_loss, ops.mean(_log_one_minus_d(synthetic))


def hinge(real: Any, synthetic: Any) -> tuple[Any, Any]:
    """Hinge loss on the difference of the logits. Source: Lim and Ye 2017."""
    real_score = real[:, 1] - real[:, 0]
    synthetic_score = synthetic[:, 1] - synthetic[:, 0]
    d_loss = ops.mean(ops.relu(1 - real_score)) + ops.mean(
        ops.relu(1 + synthetic_score)
    )
    return d_loss, -ops.mean(synthetic_score)


LOSSES: Mapping[str, Loss] = {
    "non_saturating": non_saturating,
    "minimax": minimax,
    "paper_equation_1": paper_equation_1,
    "hinge": hinge,
}
