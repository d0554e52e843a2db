"""The reward: seven verifiers, feature quality, and the frozen bundle that scores a text."""
