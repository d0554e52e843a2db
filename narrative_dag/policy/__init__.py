"""The policy: tokenizer, model, warm start, sampling, reinforcement learning and evaluation."""
