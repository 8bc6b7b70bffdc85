namespace Bursar.Operator.Commands;

/// <summary>A command cannot do what it was asked to; the message is for the person who asked.</summary>
public sealed class CommandException(string message, Exception? cause = null) : Exception(message, cause);
