"""Instructions of the register machine, and the bits of values that are no numbers.

An operand is the position of a word in the frame (a register), a target the position of an instruction in the code.
After the name: the words that follow the opcode.
"""

RETURN = 0
"""register"""
RETURN_TRUE = 1
RETURN_FALSE = 2
JUMP = 3
"""target"""
JUMP_GREATER = 4
"""a, b, target: when a > b"""
JUMP_NOT_GREATER = 5
"""a, b, target: unless a > b, which differs from a <= b for NaN"""
JUMP_GREATER_EQUAL = 6
JUMP_NOT_GREATER_EQUAL = 7
JUMP_EQUAL = 8
JUMP_NOT_EQUAL = 9
JUMP_FLAG = 10
"""flag, target"""
JUMP_NOT_FLAG = 11
JUMP_NONZERO = 12
"""number, target"""
JUMP_ZERO = 13
JUMP_TRUTHY = 14
"""value, target"""
JUMP_NOT_TRUTHY = 15
JUMP_NO_NUMBER = 16
"""value, target"""
JUMP_NULL = 17
"""value, target"""
MOVE = 18
"""to, from"""
SCALE = 19
"""to, coefficient, number"""
LINEAR = 20
"""to, n, n pairs of coefficient and number: their products added from 0.0 on"""
MEAN = 21
"""to, n, n pairs: LINEAR, then divided by n"""
SUBTRACT = 22
"""to, n, n numbers"""
MULTIPLY = 23
"""to, n, n numbers"""
MAXIMUM = 24
"""to, n, n numbers; n >= 1"""
MINIMUM = 25
NEGATE = 26
"""to, number"""
ABSOLUTE = 27
"""to, number"""
DIFFERENCE = 28
"""to, a, b"""
CLAMP = 29
"""to, number, low, high"""
BLEND = 30
"""to, a, b, weight"""
NUDGE = 31
"""to, number, amount"""
DESIDERATUM = 32
"""to, a, b"""
SELECT_GREATER = 33
"""to, a, b, then, otherwise: leaves only"""
CHAIN = 34
"""to, n, n pairs of presence flag and number, otherwise: the first that is present"""
MEAN_OF_VALUES = 35
"""to, n, n values; those that are no numbers are ignored, as in the next ones"""
MAXIMUM_OF_VALUES = 36
MINIMUM_OF_VALUES = 37
EQUAL_NUMBERS = 38
EQUAL_BOOLEANS = 39
AND_OF_VALUES = 40
OR_OF_VALUES = 41
NOT_OF_VALUE = 42
"""to, value"""
CONCATENATE = 43
"""to, n, n values"""
STORE_NUDGES = 44
"""n, n pairs of variable and factor: variable * factor + amount, clamped; the amount lies behind the factor"""
STORE = 45
"""variable, number"""
STORE_CLAMPED = 46
"""variable, number: clamped to [-1, 1]"""
STORE_ELSEWHERE = 47
"""variable, number, before, presence flag: where reading and writing differ, or a variable may be created"""
STORE_NOTHING = 48
STORE_SPOOL = 49
"""flag, value: unless the value is no boolean"""
STORE_NUDGED = 50
"""variable, amount: the variable's number, nudged"""
STORE_LINEAR = 51
"""variable, n, n pairs: as LINEAR, clamped to [-1, 1]"""
STORE_PRODUCT = 52
"""variable, a, b: clamped to [-1, 1]"""

NULL = 0x7FFD000000000001
FALSE = 0x7FFD000000000002
TRUE = 0x7FFD000000000003
EMPTY = 0x7FFD000000000004
TEXT = 0x7FFD000000000005
"""Any string that is not empty: nothing in play tells two apart."""
TAG = 0x7FFD000000000000
"""The bits of a value that is no number, but for the last four; no arithmetic gives such a NaN."""
TAG_MASK = -16
NOT_A_NUMBER = 0x7FF8000000000000
"""The one NaN that enters a program."""
