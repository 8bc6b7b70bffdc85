namespace Bursar.Kubernetes.Objects;

/// <summary>A kind with its names and its paths on the API server.</summary>
public sealed record EntityKind(string Group, string Version, string Kind, string Plural, bool Namespaced = true)
{
    public string ApiVersion { get; } = Group.Length == 0 ? Version : $"{Group}/{Version}";

    /// <summary>Returns a kind with its group, as kubectl accepts it: <c>Job.batch</c>.</summary>
    public static string Qualified(string kind, string apiVersion) =>
        GroupOf(apiVersion) is { Length: > 0 } group ? $"{kind}.{group}" : kind;

    /// <summary>Returns the group of an apiVersion; empty for the core group.</summary>
    public static string GroupOf(string apiVersion) =>
        apiVersion.IndexOf('/', StringComparison.Ordinal) is >= 0 and var slash ? apiVersion[..slash] : "";

    /// <summary>Returns whether an apiVersion and a kind name this kind, in any version of its group.</summary>
    public bool Is(string apiVersion, string kind) =>
        kind == Kind && apiVersion.AsSpan(0, Math.Max(apiVersion.IndexOf('/', StringComparison.Ordinal), 0)).SequenceEqual(Group);

    /// <summary><c>/api/v1</c> for the core group, <c>/apis/batch/v1</c> for the others.</summary>
    public string BasePath { get; } = Group.Length == 0 ? $"/api/{Version}" : $"/apis/{Group}/{Version}";

    /// <summary>
    /// Returns the path of the collection, of one object or of its subresource. Without a namespace, the path of a namespaced kind spans
    /// all namespaces.
    /// </summary>
    public string Path(string? ns, string? name = null, string? subresource = null)
    {
        string path =
            Namespaced && !string.IsNullOrEmpty(ns) ? $"{BasePath}/namespaces/{Uri.EscapeDataString(ns)}/{Plural}" : $"{BasePath}/{Plural}";
        if (name is not null)
            path = $"{path}/{Uri.EscapeDataString(name)}";
        return subresource is null ? path : $"{path}/{subresource}";
    }
}
