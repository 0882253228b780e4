"""The network, in torch: latents in, every slot's clean latents out; and one tick of it."""
