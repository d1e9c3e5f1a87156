"""What can go wrong with a tool: deliberately, or in how it was written."""


class ToolError(Exception):
    """A failure that the model is told about, in the words given here."""


class ToolDefinitionError(TypeError):
    """A tool that could never work, found when it was defined."""
