"""The runs that things are done to."""

MICRO = (
    *("--preset", "smoke", "--reduced", "--data.size", "32"),
    *("--gan.augment-cutout", "16"),
    *("--data.phantoms", "30", "--data.n-validation", "12", "--data.n-reduced", "6"),
    *("--gan.steps", "6", "--gan.sample-every", "2", "--gan.log-every", "1"),
    *("--gan.batch", "4", "--gan.z-dim", "8"),
    *("--gan.generator-maps", "32", "24", "--gan.discriminator-maps", "24", "32"),
    *("--synthesis.batch", "8", "--synthesis.count", "3"),
    *("--synthesis.mask-threshold", "100"),
    # What the preset best has besides, but codes: such a generator is not exported.
    *("--gan.augment-real", "elastic", "--synthesis.augment", "elastic"),
    *("--synthesis.pseudo-label-members", "1", "--synthesis.pseudo-label-steps", "3"),
    *("--unet.real-share", "0.5"),
    *("--unet.max-epochs", "3", "--unet.maps", "4", "--unet.depth", "1"),
)
"""A whole experiment in a few seconds, with several checkpoints."""

FOLDER = "phantoms-reduced-smoke-seed0"
"""Name of its run folder."""
