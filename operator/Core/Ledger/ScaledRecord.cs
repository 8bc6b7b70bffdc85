namespace Bursar.Core.Ledger;

/// <summary>
/// An object that a scaler has changed beside the replicas themselves, with what stood there before: the bounds of another autoscaler
/// that it caps, or the fields of an InferenceService. What stands here is given back when the scaler goes; replicas are not, for they are
/// nobody's setting.
/// </summary>
public sealed record ScaledRecord
{
    /// <summary>Of the scaler and of the object: a scaler writes in its own namespace only.</summary>
    public required string Namespace { get; init; }

    public required string ScalerName { get; init; }

    public required string ScalerUid { get; init; }

    /// <summary>The object that was written.</summary>
    public required ParkedTarget Target { get; init; }

    public required IReadOnlyList<ScaledField> Fields { get; init; }

    public required DateTimeOffset Since { get; init; }

    public ScaledField? Field(string pointer) => Fields.FirstOrDefault(field => field.Pointer == pointer);
}

/// <summary>One field of it. Values are JSON; <c>null</c> means absent.</summary>
/// <param name="Pointer">JSON pointer, as <c>/spec/maxReplicaCount</c>.</param>
/// <param name="Original">What stood there before, and what is given back.</param>
/// <param name="Value">What was set.</param>
/// <param name="Before">
/// What stood there when the last write was decided, until that write is known to have happened: a process that dies between the record and
/// the write leaves this one standing, and its successor must not take it for somebody else's word.
/// </param>
public sealed record ScaledField(string Pointer, string Original, string Value, string? Before = null)
{
    /// <summary>Whether a value that stands there is Bursar's doing.</summary>
    public bool IsOurs(string present) => present == Value || present == Before && Before != Original;
}
