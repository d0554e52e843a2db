"""Fixed places: of the header of a program's code, of its records, and of the scalars of a frame.

Everything else is found through the header, so that one kernel plays every storyworld. Code is int32, a frame int64
words (numbers are the float64 of the same eight bytes).
"""

# scalars of a frame
PAGE = 0
"""Position of the encounter that the player stands on; the last one after an ending, -1 after `THE_END`."""
TURN = 1
ENDING = 2
"""`PLAYING` or the kind of ending."""
VISIBLE_COUNT = 3
PERFORMABLE_COUNT = 4
OPTION = 5
"""Position of the option chosen last; -1 before the first choice."""
REACTION = 6
"""Position of the reaction that ran last; -1 for none."""
EFFECT_COUNT = 7
"""How many change flags the last choice wrote."""
SCALARS = 8

LEAST_ROOM = 4
"""Options that the lists of a frame have room for at least."""

# values of a frame's ENDING
PLAYING = 0
THE_END = 1
NO_OPTIONS = 2
BLOCKED = 3
MAX_STEPS = 4
"""Never written by a choice: for callers that stop by themselves."""

# header of the code: where in a frame (F_) or in the code (C_) something begins, or how many there are (N_)
F_WIDTH = 0
"""Words of a row: the part of a frame that play changes."""
F_WORDS = 1
"""Words of a frame."""
F_SPOOLS = 2
F_SEEN = 3
F_UNSEEN = 4
F_ACTIVE = 5
F_MASKS = 6
F_PERFORMABLE = 7
F_VISIBLE = 8
F_CHANGES = 9
N_RANKED_WORDS = 10
"""64-bit words of members whose desirability is constant."""
N_WORDS = 11
C_RANKED = 12
C_SCORED = 13
C_SPOOLS = 14
N_SPOOLS = 15
C_ENCOUNTERS = 16
N_ENCOUNTERS = 17
OPENING = 18
"""1 where the first page is selected among encounters with options if there is any."""
N_OPTIONS = 19
N_REACTIONS = 20
N_EFFECTS = 21
HEADER = 22

# record of an encounter
E_OPTIONS = 0
E_OPEN = 1
"""1 where every option is always visible and performable."""
E_FIRST = 2
"""Where the record of the first option is."""
E_MEMBERSHIPS = 3
E_BITS = 4
"""Where the bits of the encounter's memberships are listed."""
E_FIRST_OPTION = 5
"""Number of the first option among all options of the storyworld."""
E_STRIDE = 6

# record of an option
O_VISIBLE = 0
O_PERFORMABLE = 1
O_CANDIDATES = 2
"""Reactions that compete; 0 where the outcome does not depend on the state."""
O_LIST = 3
"""Where the candidates are: pairs of a value and a reaction's record."""
O_REACTION = 4
"""Record of the reaction that runs when no candidate qualifies; 0 without reactions."""
O_FLAG = 5
O_STRIDE = 6

# record of a reaction
R_POSITION = 0
R_EFFECTS = 1
"""Where the script of the effects is; 0 without effects."""
R_EFFECT_COUNT = 2
R_NEXT = 3
"""1 + position of the next encounter; 0 for wild selection."""
R_FLAG = 4
R_NUMBER = 5
"""Number of the reaction among all reactions of the storyworld."""
R_FIRST_EFFECT = 6
"""Number of the first effect among all effects of the storyworld."""
R_STRIDE = 7

# record of a member of a spool
M_ENCOUNTER = 0
M_ACCEPTABLE = 1
M_VALUE = 2
M_RANK = 3
"""Place in the order in which selection meets members; the earlier wins a tie."""
M_STRIDE = 4

# low two bits of a reference to a gate; the rest is 0 or 1 (constant) or where the script is
GATE_CONSTANT = 0
GATE_GREATER = 1
GATE_GREATER_EQUAL = 2
GATE_SCRIPT = 3

# low two bits of a reference to a value; the rest is a register (leaf) or where the script is
VALUE_REGISTER = 0
VALUE_SELECT = 1
VALUE_LINEAR = 2
VALUE_SCRIPT = 3
