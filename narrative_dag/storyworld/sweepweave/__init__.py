"""SweepWeave project files: reading them under official or extended semantics, with a report of what was lost."""

from narrative_dag.storyworld.sweepweave.loading import Loaded, load, loads
from narrative_dag.storyworld.sweepweave.report import Notice, NoticeKind

__all__ = ["Loaded", "Notice", "NoticeKind", "load", "loads"]
