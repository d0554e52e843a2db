"""One training of the same autoencoder by several libraries, each in a process of its own (`child`).

What a peer runs in is its own environment (`make peers`), so that nothing here imports the product but `product`.
"""
