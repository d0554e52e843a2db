"""Storyworlds: the model, the one definition of every operator, the interpreter, the readers and the authors."""
