namespace Bursar.Kubernetes.KubeOps;

/// <summary>Verbs of a role.</summary>
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

/// <summary>Rights a controller needs on kinds it has types for.</summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true, Inherited = false)]
public sealed class EntityRbacAttribute(params Type[] entities) : Attribute
{
    public IReadOnlyList<Type> Entities { get; } = entities;

    /// <summary>
    /// Where it is set, the right is not granted to everybody but listed under this name, for the chart to grant by its values.
    /// </summary>
    public string Option { get; init; } = "";

    public RbacVerb Verbs { get; init; }
}

/// <summary>Rights a controller needs by name: subresources, foreign kinds, URLs.</summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true, Inherited = false)]
public sealed class GenericRbacAttribute : Attribute
{
    public string[] Groups { get; init; } = [];

    public string[] Resources { get; init; } = [];

    /// <summary>
    /// Only the objects of these names. Does not go with <see cref="RbacVerb.Create"/>: when an object is made, the API server does not
    /// know its name yet.
    /// </summary>
    public string[] Names { get; init; } = [];

    public string[] Urls { get; init; } = [];

    /// <summary>
    /// Where it is set, the right is not granted to everybody but listed under this name, for the chart to grant by its values.
    /// </summary>
    public string Option { get; init; } = "";

    public RbacVerb Verbs { get; init; }
}
