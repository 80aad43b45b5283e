"""What a state is, and all that it may see: declaration, context, frames, parameters.

This package knows no file and no backend by name.
"""
