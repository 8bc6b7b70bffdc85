using System.Text.Json.Nodes;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Storage;

/// <summary>The fields that a field selector may use in addition to <c>metadata.name</c> and <c>metadata.namespace</c>.</summary>
public static class SelectableFields
{
    private static readonly Dictionary<ResourceKey, string[]> Paths = new()
    {
        [new("", "pods")] =
        [
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        [new("", "nodes")] = ["spec.unschedulable"],
        [new("", "namespaces")] = ["status.phase"],
        [new("", "secrets")] = ["type"],
        [new("", "services")] = ["spec.clusterIP", "spec.type"],
        [new("", "replicationcontrollers")] = ["status.replicas"],
        [new("apps", "replicasets")] = ["status.replicas"],
        [new("batch", "jobs")] = ["status.successful"],
        [new("", "events")] =
        [
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
    };

    private static readonly HashSet<string> Numbers = ["status.replicas", "status.successful"];
    private static readonly HashSet<string> Flags = ["spec.unschedulable", "spec.hostNetwork"];

    public static bool IsSelectable(ResourceKey resource, string path) =>
        path is "metadata.name" or "metadata.namespace" || (Paths.TryGetValue(resource, out var paths) && paths.Contains(path));

    public static KeyValuePair<string, string>[] Get(ResourceKey resource, JsonObject obj)
    {
        if (!Paths.TryGetValue(resource, out var paths))
        {
            return [];
        }

        var fields = new KeyValuePair<string, string>[paths.Length];
        for (var i = 0; i < paths.Length; i++)
        {
            fields[i] = KeyValuePair.Create(paths[i], Value(obj, paths[i]));
        }

        return fields;
    }

    private static string Value(JsonObject obj, string path)
    {
        // Two selectors differ from the path of their field.
        if (path == "source")
        {
            return obj.Text("source", "component") ?? obj.Text("reportingComponent") ?? "";
        }

        var node = obj.At((path == "status.successful" ? "status.succeeded" : path).Split('.'));
        return node switch
        {
            JsonValue v when v.TryGetValue<string>(out var text) => text,
            JsonValue v when v.TryGetValue<bool>(out var flag) => flag ? "true" : "false",
            JsonValue v when Json.AsInteger(v) is { } number => number.ToString(System.Globalization.CultureInfo.InvariantCulture),
            _ => Numbers.Contains(path) ? "0"
            : Flags.Contains(path) ? "false"
            : "",
        };
    }
}
