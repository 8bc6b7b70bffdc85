namespace Bursar.Kube.Attributes;

/// <summary>Names the API resource a type stands for. The static <c>EntityKind</c> of the type says the same without reflection; generators read this.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class KubernetesEntityAttribute : Attribute
{
    public string Group { get; init; } = "";

    public string ApiVersion { get; init; } = "";

    public string Kind { get; init; } = "";

    public string PluralName { get; init; } = "";
}
