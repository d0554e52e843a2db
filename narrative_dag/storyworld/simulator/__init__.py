"""The compiled, batched simulator: equal to the interpreter on every input, without compiling anything per storyworld.

`compiler.compile_world` makes a `program.Program`; `simulate` plays batches of them; `frame` has the building blocks
for other kernels; `playthrough.CompiledPlaythrough` plays one by hand. Importing any of these but `program`, `layout`,
`choices` and `compiler` imports numba.
"""
