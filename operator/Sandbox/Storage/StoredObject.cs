using System.Text.Json.Nodes;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Storage;

/// <summary>The key of a resource, which all served versions of a kind share.</summary>
public readonly record struct ResourceKey(string Group, string Plural)
{
    public override string ToString() => Group.Length == 0 ? Plural : $"{Plural}.{Group}";
}

/// <summary>An ownerReference, as the garbage collector needs it.</summary>
public sealed record OwnerLink(string Uid, string ApiVersion, string Kind, string Name, bool BlockOwnerDeletion);

/// <summary>
/// A version of an object: its JSON in wire format, and the fields that selectors and the garbage collector read. Immutable, so that
/// lists, watches and snapshots share it.
/// </summary>
public sealed class StoredObject
{
    private StoredObject(byte[] json, string @namespace, string name)
    {
        Json = json;
        Namespace = @namespace;
        Name = name;
    }

    public byte[] Json { get; }

    public string Namespace { get; }

    public string Name { get; }

    public long ResourceVersion { get; private init; }

    public string Uid { get; private init; } = "";

    public bool IsTerminating { get; private init; }

    public KeyValuePair<string, string>[] Labels { get; private init; } = [];

    public OwnerLink[] Owners { get; private init; } = [];

    public string[] Finalizers { get; private init; } = [];

    /// <summary>The values of the fields that a field selector may use.</summary>
    public KeyValuePair<string, string>[] Fields { get; private init; } = [];

    public JsonObject Parse() => Values.Json.ParseObject(Json);

    public static StoredObject From(ResourceKey resource, JsonObject obj, long resourceVersion)
    {
        var metadata = obj.Child("metadata");
        metadata["resourceVersion"] = resourceVersion.ToString(System.Globalization.CultureInfo.InvariantCulture);
        return new StoredObject(Values.Json.ToBytes(obj), metadata.Text("namespace") ?? "", metadata.Text("name") ?? "")
        {
            ResourceVersion = resourceVersion,
            Uid = metadata.Text("uid") ?? "",
            IsTerminating = metadata.Text("deletionTimestamp") is not null,
            Labels = metadata.At("labels") is JsonObject { Count: > 0 } labels
                ? [.. labels.Select(l => KeyValuePair.Create(string.Intern(l.Key), l.Value.Text() ?? ""))]
                : [],
            Owners =
            [
                .. metadata
                    .Objects("ownerReferences")
                    .Select(o => new OwnerLink(
                        o.Text("uid") ?? "",
                        o.Text("apiVersion") ?? "",
                        o.Text("kind") ?? "",
                        o.Text("name") ?? "",
                        o.Flag("blockOwnerDeletion") ?? false
                    )),
            ],
            Finalizers = metadata.At("finalizers") is JsonArray { Count: > 0 } finalizers
                ? [.. finalizers.Select(f => f.Text() ?? "")]
                : [],
            Fields = SelectableFields.Get(resource, obj),
        };
    }
}
