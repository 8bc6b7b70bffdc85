namespace Bursar.Sandbox.Schemas;

/// <summary>The built-in types by name, including types that are not a stored kind (<c>DeleteOptions</c>, <c>Scale</c>).</summary>
public static class BuiltInTypes
{
    private const string Resource = "Bursar.Sandbox.Schemas.builtin.types";

    private static readonly Lazy<TypeTable> Parsed = new(Load);

    public static TypeSchema ObjectMeta => Table.Find("meta.ObjectMeta")!;

    public static TypeSchema DeleteOptions => Table.Find("meta.DeleteOptions")!;

    internal static TypeTable Table => Parsed.Value;

    /// <summary>Returns a type by its component name (<c>io.k8s.api.core.v1.Pod</c>), or null.</summary>
    public static TypeSchema? Find(string name) => Table.Find(name);

    /// <summary>
    /// Returns the type of a body with this apiVersion and kind, or null. DeleteOptions have the group version of the deleted object.
    /// </summary>
    public static TypeSchema? For(string apiVersion, string kind)
    {
        if (kind == "DeleteOptions")
        {
            return DeleteOptions;
        }

        var (group, version) = ApiVersions.Split(apiVersion);
        foreach (var known in Table.Kinds)
        {
            if (known.Kind == kind && known.Version == version && known.Group == group)
            {
                return known.Schema;
            }
        }

        return (apiVersion, kind) switch
        {
            ("autoscaling/v1", "Scale") => Table.Find("autoscaling.Scale"),
            ("authentication.k8s.io/v1", "TokenRequest") => Table.Find("authentication.TokenRequest"),
            ("policy/v1", "Eviction") => Table.Find("policy.Eviction"),
            ("v1", "Binding") => Table.Find("core.Binding"),
            ("v1", "Status") => Table.Find("meta.Status"),
            _ => null,
        };
    }

    private static TypeTable Load()
    {
        using var stream = typeof(BuiltInTypes).Assembly.GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"The resource {Resource} is missing from the assembly.");
        using var reader = new StreamReader(stream);
        return TypeTable.Parse(reader.ReadToEnd());
    }
}
