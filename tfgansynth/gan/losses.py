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


def probabilities(real: Any, synthetic: Any) -> dict[str, Any]:
    """Mean probability of real and of synthetic pairs to be real, by name."""
    return {
        "probability_real/real": ops.mean(probability_real(real)),
        "probability_real/synthetic": ops.mean(probability_real(synthetic)),
    }


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


def score(logits: Any) -> Any:
    """How real a pair is, the difference of its logits: (m, 2) -> (m,)."""
    return logits[:, 1] - logits[:, 0]


def hinge(real: Any, synthetic: Any) -> tuple[Any, Any]:
    """Hinge loss on the difference of the logits. Source: Lim and Ye 2017."""
    real_score = score(real)
    synthetic_score = score(synthetic)
    d_loss = ops.mean(ops.relu(1 - real_score)) + ops.mean(
        ops.relu(1 + synthetic_score)
    )
    return d_loss, -ops.mean(synthetic_score)


def wgan_gp(real: Any, synthetic: Any) -> tuple[Any, Any]:
    """Wasserstein loss on the difference of the logits. Source: Gulrajani et al. 2017.

    D's loss here is the negative estimate of the Wasserstein distance, without the
    gradient penalty, which needs more than logits: `DCGAN` adds it.
    """
    g_loss = -ops.mean(score(synthetic))
    return -g_loss - ops.mean(score(real)), g_loss


def gradient_penalty(discriminator: Any, pairs: Any) -> Any:
    """How far the slope of a discriminator's score is from 1 at some pairs.

    Source: Gulrajani et al. 2017, "Improved Training of Wasserstein GANs". TensorFlow
    only.

    Args:
        discriminator: Returns logits (m, 2) of pairs.
        pairs: float32 (m, S, S, C + K).

    Returns:
        The mean of (norm of the score's gradient at a pair - 1) squared, a float32
        scalar, in which the discriminator's weights can be differentiated.
    """
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(pairs)
        # Not a training call, which would move the singular vectors once more.
        scores = score(discriminator(pairs, training=False))
    slopes = tape.gradient(scores, pairs)
    # The gradient of a root is infinite at 0, where all pairs have the same score.
    norms = tf.sqrt(tf.reduce_sum(tf.square(slopes), axis=(1, 2, 3)) + 1e-12)
    return tf.reduce_mean(tf.square(norms - 1))


LOSSES: Mapping[str, Loss] = {
    "non_saturating": non_saturating,
    "minimax": minimax,
    "paper_equation_1": paper_equation_1,
    "hinge": hinge,
    "wgan_gp": wgan_gp,
}
