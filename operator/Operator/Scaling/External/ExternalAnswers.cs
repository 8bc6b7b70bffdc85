namespace Bursar.Operator.Scaling.External;

/// <summary>Answers KEDA's queries. Called concurrently from many threads; must not block.</summary>
internal delegate ScalerAnswer ExternalAnswers(ScalerRequest request);

/// <param name="Namespace">Namespace of the ScaledObject.</param>
/// <param name="Name">Name of the ScaledObject.</param>
/// <param name="Metadata">The trigger's metadata from KEDA.</param>
internal sealed record ScalerRequest(string Namespace, string Name, IReadOnlyDictionary<string, string> Metadata)
{
    public required ScalerQuery Query { get; init; }
}
