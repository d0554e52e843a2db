"""SweepWeave project files: reading them under official or extended semantics, with a report of what was lost, and
writing any storyworld as one that the editor takes whole."""

from narrative_dag.storyworld.sweepweave.conversion import Converted, convert
from narrative_dag.storyworld.sweepweave.loading import Loaded, load, loads
from narrative_dag.storyworld.sweepweave.lowering import Lowering, lower
from narrative_dag.storyworld.sweepweave.report import Notice, NoticeKind

__all__ = ["Converted", "Loaded", "Lowering", "Notice", "NoticeKind", "convert", "load", "loads", "lower"]
