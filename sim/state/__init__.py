"""What a state is, and all it may see: declaration, context, frames, parameters.

It knows no file and no backend's name.
"""
