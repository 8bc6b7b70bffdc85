namespace Bursar.Sandbox.Protobuf;

/// <summary>A protobuf body that cannot be read; the message says why in a sentence.</summary>
public sealed class ProtobufBodyException : FormatException
{
    public ProtobufBodyException(string message)
        : base(message) { }

    public ProtobufBodyException(string message, Exception inner)
        : base(message, inner) { }

    /// <summary>The body is well formed, but its kind has no protobuf form here (an API server says 415).</summary>
    public bool IsUnknownKind { get; init; }
}
