using Bursar.Core.Ledger;

namespace Bursar.Core.State;

/// <summary>
/// The fields of one object, besides replicas, that a scaler has changed: the bounds of another autoscaler that it caps, or fields of an
/// InferenceService. They are restored when the scaler is deleted. Replicas are not, because they are no setting of the user.
/// </summary>
public sealed record ScalerRecord
{
    /// <summary>The namespace of the scaler and of the object. A scaler writes in its own namespace only.</summary>
    public required string Namespace { get; init; }

    public required string ScalerName { get; init; }

    public required string ScalerUid { get; init; }

    /// <summary>At least one field, all of the same object.</summary>
    public required IReadOnlyList<FieldOverride> Fields { get; init; }

    public required DateTimeOffset Since { get; init; }

    public ObjectRef Target => Fields[0].Object;

    public FieldOverride? Field(string pointer) => Fields.FirstOrDefault(field => field.Pointer == pointer);
}
