namespace Bursar.Kubernetes.Objects;

/// <summary>A field whose JSON value has another type than the one that it is read as.</summary>
/// <param name="Path">The field, as Kubernetes writes paths: <c>spec.trainer.numNodes</c>, <c>limits[nvidia.com/gpu]</c>.</param>
/// <param name="Expected">What it is read as, with its article: <c>an object</c>.</param>
/// <param name="Found">What is there, with its article: <c>a number</c>.</param>
/// <param name="IsConverted">
/// True where the value was understood all the same, such as <c>"true"</c> for a boolean. False where the field reads as absent.
/// </param>
public sealed record MistypedField(string Path, string Expected, string Found, bool IsConverted = false)
{
    /// <summary>A phrase for messages: <c>spec.trainer is a number, not an object</c>.</summary>
    public override string ToString() => $"{Path} is {Found}, not {Expected}";
}
