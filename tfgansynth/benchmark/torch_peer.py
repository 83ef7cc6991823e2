"""The same networks as a user of PyTorch writes them. Imported only by a worker.

The GAN follows PyTorch's DCGAN tutorial: one backward pass for the real and one for the
synthetic pairs, then the generator's through the updated discriminator. It has one
logit, the binary cross-entropy, batch normalization and no augmentation, whatever the
configuration says about these. As PyTorch recommends for speed, maps have their
channels last, bfloat16 is autocast, and a GPU's convolutions are chosen by trying them.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from tfgansynth.benchmark.stepper import Stepper, random_cases, random_pairs
from tfgansynth.config import Config, GANConfig, Precision, UNetConfig

_ON_GPU = torch.cuda.is_available()
_DEVICE = "cuda" if _ON_GPU else "cpu"
torch.backends.cudnn.benchmark = True


def gan(config: Config, *, compiled: bool = False) -> Stepper:
    """Make steps of the GAN on one random mini-batch, maybe by `torch.compile`."""
    numbers = config.gan
    generator = _placed(_build_generator(numbers, config.data.size))
    discriminator = _placed(_build_discriminator(numbers, config.data.size))
    g_optimizer = _adam(generator, numbers, numbers.generator_rate)
    d_optimizer = _adam(discriminator, numbers, numbers.discriminator_rate)
    if compiled:
        generator.compile()
        discriminator.compile()
    criterion = nn.BCEWithLogitsLoss()
    real = _placed(torch.from_numpy(random_pairs(config)).permute(0, 3, 1, 2))
    ones = torch.ones((numbers.batch, 1), device=_DEVICE)
    zeros = torch.zeros_like(ones)

    def generate() -> Any:
        shape = (numbers.batch, numbers.z_dim)
        z = 2 * torch.rand(shape, device=_DEVICE) - 1
        with _autocast(numbers.precision):
            return generator(z)

    def loss(pairs: Any, labels: Any) -> Any:
        with _autocast(numbers.precision):
            logits = discriminator(pairs)
        return criterion(logits.float(), labels)

    def step() -> Any:
        d_optimizer.zero_grad()
        loss(real, ones).backward()
        synthetic = generate()
        loss(synthetic.detach(), zeros).backward()
        d_optimizer.step()
        for update in range(numbers.generator_updates):
            g_optimizer.zero_grad()
            g_loss = loss(generate() if update else synthetic, ones)
            g_loss.backward()
            g_optimizer.step()
        return g_loss.detach()

    return _stepper(step)


def unet(config: Config, *, compiled: bool = False) -> Stepper:
    """Make steps of the U-Net on one random mini-batch, maybe by `torch.compile`."""
    network = _placed(_UNet(config.unet))
    if compiled:
        network.compile()
    optimizer = _unet_optimizer(network, config.unet)
    arrays = random_cases(config)
    images = _placed(torch.from_numpy(arrays[0]).permute(0, 3, 1, 2))
    classes = torch.from_numpy(arrays[1]).long().to(_DEVICE)

    def step() -> Any:
        optimizer.zero_grad()
        with _autocast(config.unet.precision):
            logits = network(images)
        loss = functional.cross_entropy(logits.float(), classes)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return _stepper(step)


def _placed(network_or_maps: Any) -> Any:
    return network_or_maps.to(_DEVICE, memory_format=torch.channels_last)


def _autocast(precision: Precision) -> Any:
    return torch.autocast(_DEVICE, torch.bfloat16, enabled=precision == "bfloat16")


def _stepper(step: Any) -> Stepper:
    return Stepper(step, torch.cuda.max_memory_allocated if _ON_GPU else None)


def _adam(network: Any, config: GANConfig, rate: float) -> Any:
    betas = (config.beta_1, config.beta_2)
    return torch.optim.Adam(network.parameters(), rate, betas, config.epsilon)


def _build_generator(config: GANConfig, size: int) -> Any:
    base = size >> len(config.generator_maps)
    first = config.generator_maps[0]
    stack: list[Any] = [
        nn.Linear(config.z_dim, base * base * first, bias=False),
        nn.Unflatten(1, (first, base, base)),
    ]
    padding = (config.kernel_size - 1) // 2
    outputs = [*config.generator_maps[1:], 2]
    for level, maps_out in enumerate(outputs):
        maps_in = config.generator_maps[level]
        stack += [nn.BatchNorm2d(maps_in), nn.ReLU(inplace=True)]
        stack.append(
            nn.ConvTranspose2d(
                maps_in,
                maps_out,
                config.kernel_size,
                stride=2,
                padding=padding,
                # With this the side is exactly twice as long.
                output_padding=2 + 2 * padding - config.kernel_size,
                bias=level == len(outputs) - 1,
            )
        )
    return nn.Sequential(*stack, nn.Tanh())


def _build_discriminator(config: GANConfig, size: int) -> Any:
    inputs = [2, *config.discriminator_maps[:-1]]
    stack: list[Any] = []
    for maps_in, maps_out in zip(inputs, config.discriminator_maps, strict=True):
        stack += [
            nn.Conv2d(
                maps_in,
                maps_out,
                config.kernel_size,
                stride=2,
                padding=(config.kernel_size - 1) // 2,
                bias=False,
            ),
            nn.BatchNorm2d(maps_out),
            nn.LeakyReLU(config.leaky_slope, inplace=True),
        ]
    last_side = size >> len(config.discriminator_maps)
    features = last_side * last_side * config.discriminator_maps[-1]
    return nn.Sequential(*stack, nn.Flatten(), nn.Linear(features, 1))


class _UNet(nn.Module):
    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        maps, levels = config.maps, range(config.depth)

        def two_convolutions(maps_in: int) -> Any:
            return nn.Sequential(
                nn.Conv2d(maps_in, maps, config.kernel_size, padding="same"),
                nn.ReLU(inplace=True),
                nn.Conv2d(maps, maps, config.kernel_size, padding="same"),
                nn.ReLU(inplace=True),
            )

        self.down = nn.ModuleList(
            [two_convolutions(maps if level else 1) for level in levels]
        )
        self.bottom = two_convolutions(maps if config.depth else 1)
        self.up = nn.ModuleList(
            [nn.ConvTranspose2d(maps, maps, 2, stride=2) for _ in levels]
        )
        self.joined = nn.ModuleList([two_convolutions(2 * maps) for _ in levels])
        self.logits = nn.Conv2d(maps, 2, 1)

    def forward(self, x: Any) -> Any:
        skips = []
        for convolve in self.down:
            x = convolve(x)
            skips.append(x)
            x = functional.avg_pool2d(x, 2)
        x = self.bottom(x)
        for up, convolve in zip(self.up, self.joined, strict=True):
            x = functional.relu(up(x), inplace=True)
            x = convolve(torch.cat([skips.pop(), x], dim=1))
        return self.logits(x)


def _unet_optimizer(network: Any, config: UNetConfig) -> Any:
    if config.optimizer == "adam":
        return torch.optim.Adam(network.parameters(), config.learning_rate)
    return torch.optim.SGD(
        network.parameters(),
        config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=True,
    )
