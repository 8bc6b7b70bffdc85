using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Storage;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.ApiServer;

/// <summary>A served kind with its storage key, its complete schema and the conversion of its versions.</summary>
internal sealed class ResourceType
{
    private static readonly ConditionalWeakTable<KindInfo, ResourceType> Known = [];

    private static readonly HashSet<(string, string)> WithoutGeneration =
    [
        ("", "Namespace"),
        ("", "Node"),
        ("", "Service"),
        ("", "ConfigMap"),
        ("", "Secret"),
        ("", "ServiceAccount"),
        ("", "Event"),
        ("events.k8s.io", "Event"),
        ("coordination.k8s.io", "Lease"),
        ("rbac.authorization.k8s.io", "Role"),
        ("rbac.authorization.k8s.io", "RoleBinding"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("autoscaling", "HorizontalPodAutoscaler"),
        ("apps", "ControllerRevision"),
    ];

    private static readonly (string Core, string Events)[] EventFields =
    [
        ("involvedObject", "regarding"),
        ("message", "note"),
        ("source", "deprecatedSource"),
        ("firstTimestamp", "deprecatedFirstTimestamp"),
        ("lastTimestamp", "deprecatedLastTimestamp"),
        ("count", "deprecatedCount"),
        ("reportingComponent", "reportingController"),
    ];

    private ResourceType(KindInfo kind)
    {
        Kind = kind;
        IsNewEvent = kind is { Group: "events.k8s.io", Kind: "Event" };
        Key = IsNewEvent ? new ResourceKey("", "events") : new ResourceKey(kind.Group, kind.Plural);
        HasGeneration = kind.IsCustom || !WithoutGeneration.Contains((kind.Group, kind.Kind));
        Schema = kind.IsCustom ? WithMetadata(kind.Schema) : kind.Schema;
    }

    public KindInfo Kind { get; }

    public ResourceKey Key { get; }

    /// <summary>The kind's schema including Kubernetes' metadata.</summary>
    public TypeSchema Schema { get; }

    public bool HasGeneration { get; }

    public bool IsNewEvent { get; }

    /// <summary>True if stored JSON may differ from this version's JSON.</summary>
    public bool Converts => IsNewEvent || Kind.IsCustom;

    public static ResourceType From(KindInfo kind) => Known.GetValue(kind, static k => new ResourceType(k));

    /// <summary>Converts an object of this version to its storage form.</summary>
    public JsonObject ToStorage(JsonObject obj)
    {
        if (!IsNewEvent)
        {
            return obj;
        }

        var result = Renamed(obj, toCore: true);
        result["apiVersion"] = "v1";
        // In core/v1 these are not pointers, so a real server writes null if they are unset, and kubectl sorts by them.
        foreach (var time in (ReadOnlySpan<string>)["firstTimestamp", "lastTimestamp"])
        {
            if (!result.ContainsKey(time))
            {
                result[time] = null;
            }
        }

        return result;
    }

    /// <summary>Converts a stored object to this version.</summary>
    public JsonObject FromStorage(JsonObject obj)
    {
        if (IsNewEvent)
        {
            obj = Renamed(obj, toCore: false);
        }

        obj["apiVersion"] = Kind.ApiVersion;
        obj["kind"] = Kind.Kind;
        return obj;
    }

    public JsonObject Read(StoredObject stored) => FromStorage(stored.Parse());

    /// <summary>Returns the JSON of this version; the stored bytes themselves if nothing differs.</summary>
    public byte[] Bytes(StoredObject stored)
    {
        if (!Converts)
        {
            return stored.Json;
        }

        if (!IsNewEvent && stored.Json.AsSpan().StartsWith(Prefix))
        {
            return stored.Json;
        }

        return Json.ToBytes(Read(stored));
    }

    public string FieldName(string path)
    {
        if (!IsNewEvent)
        {
            return path;
        }

        foreach (var (core, events) in EventFields)
        {
            if (path == events || path.StartsWith(events + ".", StringComparison.Ordinal))
            {
                return core + path[events.Length..];
            }
        }

        return path;
    }

    // Custom objects are written with apiVersion first, so an equal prefix means an equal version.
    private byte[] Prefix => field ??= System.Text.Encoding.UTF8.GetBytes($"{{\"apiVersion\":\"{Kind.ApiVersion}\",");

    private static JsonObject Renamed(JsonObject obj, bool toCore)
    {
        var result = new JsonObject();
        foreach (var (key, value) in obj)
        {
            var name = key;
            foreach (var (core, events) in EventFields)
            {
                if (key == (toCore ? events : core))
                {
                    name = toCore ? core : events;
                    break;
                }
            }

            result[name] = value?.DeepClone();
        }

        return result;
    }

    private static TypeSchema WithMetadata(TypeSchema schema)
    {
        var properties = new Dictionary<string, FieldSchema>(schema.Properties)
        {
            ["apiVersion"] = new("apiVersion", new TypeSchema { Type = SchemaType.String }),
            ["kind"] = new("kind", new TypeSchema { Type = SchemaType.String }),
            ["metadata"] = new("metadata", BuiltInTypes.ObjectMeta),
        };
        return new TypeSchema
        {
            Type = schema.Type == SchemaType.Any ? SchemaType.Object : schema.Type,
            Description = schema.Description,
            Properties = properties,
            Required = schema.Required,
            PreserveUnknownFields = schema.PreserveUnknownFields || schema.Type == SchemaType.Any,
            Default = schema.Default,
            Rules = schema.Rules,
        };
    }
}
