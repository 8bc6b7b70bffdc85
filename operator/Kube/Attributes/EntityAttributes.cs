namespace Bursar.Kube.Attributes;

/// <summary>Whether objects of a kind live in a namespace.</summary>
public enum EntityScope
{
    Namespaced,
    Cluster,
}

/// <summary>Scope of a kind; without it a kind is namespaced.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class EntityScopeAttribute(EntityScope scope = EntityScope.Namespaced) : Attribute
{
    public EntityScope Scope { get; } = scope;
}

/// <summary>Short names for the command line, such as <c>gpub</c>.</summary>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class KubernetesEntityShortNamesAttribute(params string[] shortNames) : Attribute
{
    public IReadOnlyList<string> ShortNames { get; } = shortNames;
}

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
