namespace Bursar.Operator.Scaling.External;

/// <summary>
/// What the operator says of a trigger that KEDA asks about. Asked by many calls at once, on their own threads; it does not wait.
/// </summary>
internal delegate ScalerAnswer ExternalAnswers(ScalerRequest question);

/// <param name="Namespace">Of the ScaledObject.</param>
/// <param name="Name">Of the ScaledObject.</param>
/// <param name="Metadata">The trigger's, as KEDA passes it on.</param>
internal sealed record ScalerRequest(string Namespace, string Name, IReadOnlyDictionary<string, string> Metadata)
{
    /// <summary><see cref="Metadata"/>, read.</summary>
    public required ScalerQuery Query { get; init; }
}
