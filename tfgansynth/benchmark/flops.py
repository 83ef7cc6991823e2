"""Count the multiply-adds of one training step, counted from the configuration.

Convolutions and dense layers count: the arithmetic of each for its output, for the
gradients of its weights and for those of its inputs. A kernel at the border of an image
counts as a whole one. Biases, normalization, activations, augmentation, losses and
optimizers do not count: they are a fraction of a percent of the arithmetic, though not
of the time. The count is the work that the step requires, whatever algorithm a kernel
uses.
"""

from tfgansynth.config import Config, GANConfig, UNetConfig

_PAIR_CHANNELS = 2
_CLASSES = 2


def generator_layers(config: GANConfig, size: int) -> list[int]:
    """Count the multiply-adds of each layer for one pair, from z to pair."""
    base = size >> len(config.generator_maps)
    counts = [config.z_dim * base * base * config.generator_maps[0]]
    maps = [*config.generator_maps, _PAIR_CHANNELS]
    for level in range(len(config.generator_maps)):
        # Each input pixel of a transposed convolution is multiplied by all the kernel,
        # and each pixel of maps that are resized before.
        side = base << (level + (config.upsampling == "resize"))
        counts.append(side**2 * config.kernel_size**2 * maps[level] * maps[level + 1])
    return counts


def discriminator_layers(config: GANConfig, size: int) -> list[int]:
    """Count the multiply-adds of each layer for one pair, from pair to logits."""
    maps = [_PAIR_CHANNELS, *config.discriminator_maps]
    counts = []
    for level in range(len(config.discriminator_maps)):
        pixels = (size >> (level + 1)) ** 2
        counts.append(pixels * config.kernel_size**2 * maps[level] * maps[level + 1])
    last_pixels = (size >> len(config.discriminator_maps)) ** 2
    last_maps = maps[-1] + bool(config.minibatch_stddev)
    return [*counts, last_pixels * last_maps * _CLASSES]


def unet_layers(config: UNetConfig, size: int) -> list[int]:
    """Count the multiply-adds of each layer for one image, from image to logits."""
    counts = []
    maps = [config.maps_at(level) for level in range(config.depth + 1)]
    for level, channels in enumerate([1, *maps[:-1]]):
        counts += _unet_block(config, size >> level, channels, maps[level])
    for level in reversed(range(config.depth)):
        # A 2 x 2 up-convolution of stride 2: one kernel value per output pixel.
        counts.append((size >> level) ** 2 * maps[level + 1] * maps[level])
        counts += _unet_block(config, size >> level, 2 * maps[level], maps[level])
    return [*counts, size * size * maps[0] * _CLASSES]


def _unet_block(config: UNetConfig, side: int, channels: int, maps: int) -> list[int]:
    window, pixels = config.kernel_size**2, side**2
    counts = [pixels * window * channels * maps, pixels * window * maps * maps]
    if config.architecture == "modern" and channels != maps:
        counts.append(pixels * channels * maps)
    return counts


def gan_step(config: Config) -> int:
    """Count the multiply-adds of one GAN step on a mini-batch.

    - Generator: forward, weight gradients, input gradients (none for z).
    - Discriminator on real pairs: forward, weight gradients, input gradients except
      at its first layer.
    - Discriminator on synthetic pairs: forward; the same two gradients for its own
      loss; input gradients down to the pair for the generator's loss.
    - Gradient penalty: forward, input gradients, and two gradients of these.
    - Further updates of the discriminator in a step: the generator forward, and the
      discriminator's on both, with its penalty.
    - A second update of the generator in a step: the generator's again, and forward
      and input gradients of the discriminator on fresh pairs.
    - Latent codes: the generator's again, on half as many pairs.
    """
    gan = config.gan
    g_layers = generator_layers(gan, config.data.size)
    d_layers = discriminator_layers(gan, config.data.size)
    g, d = sum(g_layers), sum(d_layers)
    g_update = 3 * g - g_layers[0]
    on_real = 3 * d - d_layers[0]
    on_synthetic = (3 * d - d_layers[0]) + d
    penalty = 4 * d if gan.loss == "wgan_gp" else 0
    before = (gan.discriminator_updates - 1) * (g + 2 * on_real + penalty)
    codes = g_update * max(gan.batch // 2, 1) // gan.batch if gan.latent_codes else 0
    again = (gan.generator_updates - 1) * (g_update + 2 * d)
    return gan.batch * (
        g_update + on_real + on_synthetic + penalty + before + again + codes
    )


def unet_step(config: Config) -> int:
    """Count the multiply-adds of one U-Net step on a mini-batch.

    Forward, weight gradients, input gradients except at the first layer.
    """
    layers = unet_layers(config.unet, config.data.size)
    return config.unet.batch * (3 * sum(layers) - layers[0])
