"""States of play: seeded playthroughs as rows, and the state vector."""
