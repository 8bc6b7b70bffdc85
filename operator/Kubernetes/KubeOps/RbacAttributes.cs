namespace Bursar.Kubernetes.KubeOps;

[Flags]
public enum RbacVerb
{
    None = 0,
    Get = 1 << 0,
    List = 1 << 1,
    Watch = 1 << 2,
    Create = 1 << 3,
    Update = 1 << 4,
    Patch = 1 << 5,
    Delete = 1 << 6,
    All = Get | List | Watch | Create | Update | Patch | Delete,
}

/// <summary>Rights that a controller needs on kinds with a C# type.</summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true, Inherited = false)]
public sealed class EntityRbacAttribute(params Type[] entities) : Attribute
{
    public IReadOnlyList<Type> Entities { get; } = entities;

    /// <summary>The chart's option that grants the right; empty for a right that is always granted.</summary>
    public string Option { get; init; } = "";

    public RbacVerb Verbs { get; init; }
}

/// <summary>Rights that a controller needs on subresources, on kinds without a C# type or on URLs.</summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true, Inherited = false)]
public sealed class GenericRbacAttribute : Attribute
{
    public string[] Groups { get; init; } = [];

    public string[] Resources { get; init; } = [];

    /// <summary>
    /// Names of the only objects that the right covers. Not allowed with <see cref="RbacVerb.Create"/>, because the API server does not
    /// know the name of an object that is being created.
    /// </summary>
    public string[] Names { get; init; } = [];

    public string[] Urls { get; init; } = [];

    /// <summary>The chart's option that grants the right; empty for a right that is always granted.</summary>
    public string Option { get; init; } = "";

    public RbacVerb Verbs { get; init; }
}
