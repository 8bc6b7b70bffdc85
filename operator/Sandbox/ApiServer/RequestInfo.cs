using Microsoft.AspNetCore.Http;

namespace Bursar.Sandbox.ApiServer;

/// <summary>The resource of a request, parsed from its path like Kubernetes does.</summary>
public sealed record RequestInfo(
    string Group,
    string Version,
    string Resource,
    string Namespace,
    string Name,
    string Subresource,
    string Verb
)
{
    /// <summary>Returns null if the path is not that of a resource.</summary>
    public static RequestInfo? Parse(string method, string path, IQueryCollection query)
    {
        var parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        string group;
        string version;
        int at;
        if (parts is ["api", var core, _, ..])
        {
            (group, version, at) = ("", core, 2);
        }
        else if (parts is ["apis", var named, var served, _, ..])
        {
            (group, version, at) = (named, served, 3);
        }
        else
        {
            return null;
        }

        for (var i = at; i < parts.Length; i++)
        {
            parts[i] = Uri.UnescapeDataString(parts[i]);
        }

        var rest = parts.AsSpan(at);
        var @namespace = "";
        if (rest.Length >= 3 && rest[0] == "namespaces" && rest[2] is not ("status" or "finalize"))
        {
            @namespace = rest[1];
            rest = rest[2..];
        }

        var resource = rest[0];
        var name = rest.Length > 1 ? rest[1] : "";
        var subresource = rest.Length > 2 ? string.Join('/', rest[2..].ToArray()) : "";
        var watch = query["watch"].FirstOrDefault() is "true" or "1" or "True";
        var verb = method switch
        {
            "GET" or "HEAD" => name.Length > 0 ? "get"
            : watch ? "watch"
            : "list",
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" => name.Length > 0 ? "delete" : "deletecollection",
            _ => method.ToLowerInvariant(),
        };
        return new RequestInfo(group, version, resource, @namespace, name, subresource, verb);
    }
}
