"""How the built-in bundle is made: data, background, augmentation, network, training, packing."""
