namespace Bursar.Kubernetes.Objects;

/// <summary>A field whose JSON value has an unexpected type.</summary>
/// <param name="Path">The field's path in the notation of Kubernetes: <c>spec.trainer.numNodes</c>, <c>limits[nvidia.com/gpu]</c>.</param>
/// <param name="Expected">The expected type, with its article: <c>an object</c>.</param>
/// <param name="Found">The type in the JSON, with its article: <c>a number</c>.</param>
/// <param name="IsConverted">
/// True if the value was converted, such as <c>"true"</c> to a boolean. False if the field reads as absent.
/// </param>
public sealed record MistypedField(string Path, string Expected, string Found, bool IsConverted = false)
{
    /// <summary>Returns a phrase for messages: <c>spec.trainer is a number, not an object</c>.</summary>
    public override string ToString() => $"{Path} is {Found}, not {Expected}";
}
