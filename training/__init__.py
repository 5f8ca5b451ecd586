"""Makes the bundled models: a tiny Stable Diffusion and a tiny CLIP, from nothing."""

from metrics.torchvision_shim import install

install()  # before any module of this package imports torchvision, if only through diffusers
