namespace Bursar.Sandbox.Protobuf;

/// <summary>A protobuf body that cannot be decoded; the message says why.</summary>
public sealed class ProtobufBodyException : FormatException
{
    public ProtobufBodyException(string message)
        : base(message) { }

    public ProtobufBodyException(string message, Exception inner)
        : base(message, inner) { }

    /// <summary>The body is valid, but its kind has no protobuf form here (415 on an API server).</summary>
    public bool IsUnknownKind { get; init; }
}
