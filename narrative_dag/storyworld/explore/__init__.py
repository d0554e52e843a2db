"""What can happen in a storyworld, by meeting its distinct states: what is reached, what cannot be, what to mend."""

from narrative_dag.storyworld.explore.exploration import Exploration, ExploreConfig, Witness, explore
from narrative_dag.storyworld.explore.findings import Finding, findings
from narrative_dag.storyworld.explore.verdicts import Verdict, Verdicts

__all__ = ["Exploration", "ExploreConfig", "Finding", "Verdict", "Verdicts", "Witness", "explore", "findings"]
