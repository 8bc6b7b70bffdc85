using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;

namespace Bursar.Sandbox.Discovery;

/// <summary>Writes the discovery documents: the aggregated ones for current kubectl, and the older lists.</summary>
public static class DiscoveryDocuments
{
    /// <summary>The content type of aggregated documents; clients that do not accept it get the older lists.</summary>
    public const string AggregatedMediaType = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

    private static readonly string[] StoredVerbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

    private static readonly string[] PartVerbs = ["get", "patch", "update"];

    private static readonly string[] CreateVerbs = ["create"];

    /// <summary><c>/api</c>, aggregated.</summary>
    public static JsonObject AggregatedCore(IEnumerable<KindInfo> kinds) => Aggregated(kinds.Where(k => k.Group.Length == 0));

    /// <summary><c>/apis</c>, aggregated.</summary>
    public static JsonObject AggregatedGroups(IEnumerable<KindInfo> kinds) => Aggregated(kinds.Where(k => k.Group.Length > 0));

    /// <summary><c>/api</c> for older clients, with the server's address.</summary>
    public static JsonObject CoreVersions(string serverAddress) =>
        new()
        {
            ["kind"] = "APIVersions",
            ["versions"] = new JsonArray("v1"),
            ["serverAddressByClientCIDRs"] = new JsonArray(
                new JsonObject { ["clientCIDR"] = "0.0.0.0/0", ["serverAddress"] = serverAddress }
            ),
        };

    /// <summary><c>/apis</c> for older clients.</summary>
    public static JsonObject Groups(IEnumerable<KindInfo> kinds)
    {
        var groups = new JsonArray();
        foreach (var group in ByGroup(kinds.Where(k => k.Group.Length > 0)))
        {
            groups.Add((JsonNode)GroupBody(group));
        }

        return new JsonObject
        {
            ["kind"] = "APIGroupList",
            ["apiVersion"] = "v1",
            ["groups"] = groups,
        };
    }

    /// <summary><c>/apis/GROUP</c>; null if the group is not served.</summary>
    public static JsonObject? Group(IEnumerable<KindInfo> kinds, string group)
    {
        var found = ByGroup(kinds.Where(k => k.Group == group)).FirstOrDefault();
        if (found is null)
        {
            return null;
        }

        var body = GroupBody(found);
        body.Insert(0, "kind", "APIGroup");
        body.Insert(1, "apiVersion", "v1");
        return body;
    }

    /// <summary><c>/api/v1</c> and <c>/apis/GROUP/VERSION</c>; null if the version is not served.</summary>
    public static JsonObject? Resources(IEnumerable<KindInfo> kinds, string group, string version)
    {
        var resources = new JsonArray();
        var groupVersion = group.Length == 0 ? version : $"{group}/{version}";
        foreach (var kind in kinds.Where(k => k.Group == group && k.Version == version).OrderBy(k => k.Plural, StringComparer.Ordinal))
        {
            var resource = Resource(kind.Plural, kind.Singular, kind.Namespaced, kind.Kind, kind.CreateOnly ? CreateVerbs : StoredVerbs);
            AddNames(resource, kind);
            resources.Add((JsonNode)resource);
            foreach (var part in Parts(kind).OrderBy(p => p.Name, StringComparer.Ordinal))
            {
                var subresource = Resource($"{kind.Plural}/{part.Name}", "", kind.Namespaced, part.Kind, part.Verbs);
                if (part.ApiVersion != kind.ApiVersion)
                {
                    var (partGroup, partVersion) = ApiVersions.Split(part.ApiVersion);
                    subresource.Insert(3, "group", partGroup);
                    subresource.Insert(4, "version", partVersion);
                }

                resources.Add((JsonNode)subresource);
            }
        }

        return resources.Count == 0
            ? null
            : new JsonObject
            {
                ["kind"] = "APIResourceList",
                ["apiVersion"] = "v1",
                ["groupVersion"] = groupVersion,
                ["resources"] = resources,
            };
    }

    private static JsonObject Aggregated(IEnumerable<KindInfo> kinds)
    {
        var items = new JsonArray();
        foreach (var group in ByGroup(kinds))
        {
            var versions = new JsonArray();
            foreach (var version in group.Versions)
            {
                var resources = new JsonArray();
                foreach (var kind in version.Kinds.OrderBy(k => k.Plural, StringComparer.Ordinal))
                {
                    resources.Add((JsonNode)AggregatedResource(kind));
                }

                versions.Add(
                    (JsonNode)
                        new JsonObject
                        {
                            ["version"] = version.Name,
                            ["resources"] = resources,
                            ["freshness"] = "Current",
                        }
                );
            }

            var metadata = new JsonObject();
            if (group.Name.Length > 0)
            {
                metadata["name"] = group.Name;
            }

            items.Add((JsonNode)new JsonObject { ["metadata"] = metadata, ["versions"] = versions });
        }

        return new JsonObject
        {
            ["kind"] = "APIGroupDiscoveryList",
            ["apiVersion"] = "apidiscovery.k8s.io/v2",
            ["metadata"] = new JsonObject(),
            ["items"] = items,
        };
    }

    private static JsonObject AggregatedResource(KindInfo kind)
    {
        var resource = new JsonObject
        {
            ["resource"] = kind.Plural,
            ["responseKind"] = ResponseKind(kind.ApiVersion, kind.Kind),
            ["scope"] = kind.Namespaced ? "Namespaced" : "Cluster",
            ["singularResource"] = kind.Singular,
            ["verbs"] = Strings(kind.CreateOnly ? CreateVerbs : StoredVerbs),
        };
        AddNames(resource, kind);
        var parts = new JsonArray();
        foreach (var part in Parts(kind).OrderBy(p => p.Name, StringComparer.Ordinal))
        {
            parts.Add(
                (JsonNode)
                    new JsonObject
                    {
                        ["subresource"] = part.Name,
                        ["responseKind"] = ResponseKind(part.ApiVersion, part.Kind),
                        ["verbs"] = Strings(part.Verbs),
                    }
            );
        }

        if (parts.Count > 0)
        {
            resource["subresources"] = parts;
        }

        return resource;
    }

    private static IEnumerable<Part> Parts(KindInfo kind)
    {
        if (kind.HasStatus)
        {
            yield return new Part("status", kind.ApiVersion, kind.Kind, PartVerbs);
        }

        if (kind.Scale is not null)
        {
            yield return new Part("scale", "autoscaling/v1", "Scale", PartVerbs);
        }

        foreach (var subresource in kind.Subresources)
        {
            yield return new Part(subresource.Name, subresource.ApiVersion, subresource.Kind, CreateVerbs);
        }
    }

    private static void AddNames(JsonObject resource, KindInfo kind)
    {
        if (kind.ShortNames.Count > 0)
        {
            resource["shortNames"] = Strings(kind.ShortNames);
        }

        if (kind.Categories.Count > 0)
        {
            resource["categories"] = Strings(kind.Categories);
        }
    }

    private static JsonObject Resource(string name, string singular, bool namespaced, string kind, IReadOnlyList<string> verbs) =>
        new()
        {
            ["name"] = name,
            ["singularName"] = singular,
            ["namespaced"] = namespaced,
            ["kind"] = kind,
            ["verbs"] = Strings(verbs),
        };

    private static JsonObject ResponseKind(string apiVersion, string kind)
    {
        var (group, version) = ApiVersions.Split(apiVersion);
        return new JsonObject
        {
            ["group"] = group,
            ["version"] = version,
            ["kind"] = kind,
        };
    }

    private static JsonObject GroupBody(ServedGroup group)
    {
        var versions = new JsonArray();
        foreach (var version in group.Versions)
        {
            versions.Add((JsonNode)GroupVersion(group.Name, version.Name));
        }

        return new JsonObject
        {
            ["name"] = group.Name,
            ["versions"] = versions,
            ["preferredVersion"] = GroupVersion(group.Name, group.Versions[0].Name),
        };
    }

    private static JsonObject GroupVersion(string group, string version) =>
        new() { ["groupVersion"] = $"{group}/{version}", ["version"] = version };

    private static JsonArray Strings(IReadOnlyList<string> values)
    {
        var array = new JsonArray();
        foreach (var value in values)
        {
            array.Add((JsonNode)JsonValue.Create(value));
        }

        return array;
    }

    private static IEnumerable<ServedGroup> ByGroup(IEnumerable<KindInfo> kinds) =>
        kinds
            .GroupBy(k => k.Group)
            .Select(group => new ServedGroup(
                group.Key,
                [.. group.GroupBy(k => k.Version).OrderBy(v => v.Key, VersionOrder.Preferred).Select(v => new ServedVersion(v.Key, [.. v]))]
            ));

    private sealed record Part(string Name, string ApiVersion, string Kind, IReadOnlyList<string> Verbs);

    private sealed record ServedVersion(string Name, IReadOnlyList<KindInfo> Kinds);

    /// <summary>A group with its versions, the preferred one first.</summary>
    private sealed record ServedGroup(string Name, IReadOnlyList<ServedVersion> Versions);
}
