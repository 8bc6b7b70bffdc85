namespace Bursar.Kube.Attributes;

/// <summary>A column of <c>kubectl get</c>.</summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true, Inherited = false)]
public sealed class GenericAdditionalPrinterColumnAttribute(string jsonPath, string name, string type) : Attribute
{
    public string JsonPath { get; } = jsonPath;

    public string Name { get; } = name;

    /// <summary>integer, number, string, boolean or date.</summary>
    public string Type { get; } = type;

    public string? Description { get; init; }

    public string? Format { get; init; }

    /// <summary>Above zero: shown with <c>-o wide</c> only.</summary>
    public int Priority { get; init; }
}
