namespace Bursar.Sandbox.Schemas;

/// <summary>Splits an <c>apiVersion</c>: only a version for the core group, else group and version.</summary>
public static class ApiVersions
{
    public static (string Group, string Version) Split(string apiVersion)
    {
        var slash = apiVersion.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? ("", apiVersion) : (apiVersion[..slash], apiVersion[(slash + 1)..]);
    }
}
