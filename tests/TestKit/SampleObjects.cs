using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.Objects;

namespace Bursar.Tests.TestKit;

/// <summary>
/// Objects in which every field that is read is set, made from the kinds' JSON contracts, so that a new field is covered at once.
/// </summary>
public static class SampleObjects
{
    private const string Metadata = """
        {"name": "sample", "namespace": "team", "uid": "uid-1", "resourceVersion": "7", "generateName": "sam", "generation": 3, "creationTimestamp": "2026-01-02T03:04:05Z",
         "deletionTimestamp": "2026-01-02T03:04:06Z", "labels": {"team": "nlp"}, "annotations": {"bursar.dev/progress": "1/2"}, "finalizers": ["f"],
         "ownerReferences": [{"apiVersion": "example.com/v1", "kind": "Maker", "name": "j", "uid": "ju", "controller": false, "blockOwnerDeletion": true}]}
        """;

    private const string PodSpec = """
        {"nodeName": "n", "containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "2"}, "requests": {"nvidia.com/gpu": "2", "cpu": "1"}}, "ports": [{"name": "http", "containerPort": 8000}]}],
         "initContainers": [{"name": "side", "restartPolicy": "Always", "resources": {"requests": {"cpu": 1}}}], "terminationGracePeriodSeconds": 30, "priorityClassName": "high", "priority": 5,
         "nodeSelector": {"k": "v"}, "restartPolicy": "Never", "hostNetwork": true,
         "resourceClaims": [{"name": "gpu", "resourceClaimName": "one", "resourceClaimTemplateName": "each"}]}
        """;

    private const string PodStatus = """
        {"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], "startTime": "2026-01-02T03:04:06Z",
         "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-02T03:04:06Z"}],
         "containerStatuses": [{"name": "main", "state": {"terminated": {"finishedAt": "2026-01-02T03:04:09Z"}}}],
         "initContainerStatuses": [{"name": "side", "state": {"terminated": {"finishedAt": "2026-01-02T03:04:09Z"}}}],
         "resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": "one"}], "extendedResourceClaimStatus": {"resourceClaimName": "two", "requestMappings": [{"resourceName": "nvidia.com/gpu"}]}}
        """;

    private const string Selectors = """[{"cel": {"expression": "true"}}]""";

    private const string ClaimSpec = $$$$"""
        {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.nvidia.com", "selectors": {{{{Selectors}}}}, "allocationMode": "ExactCount", "count": 1, "adminAccess": false}},
          {"name": "old", "firstAvailable": [{"name": "a", "deviceClassName": "gpu.nvidia.com"}]}]}}
        """;

    private const string ClaimStatus = """
        {"allocation": {"devices": {"results": [{"request": "gpu", "driver": "gpu.nvidia.com", "pool": "n", "device": "gpu-0", "adminAccess": false, "consumedCapacity": {"memory": "10Gi"}}]}}}
        """;

    private const string SliceDevice = """
        {"name": "gpu-0", "nodeName": "n", "attributes": {"gpu.nvidia.com/productName": {"string": "A100"}}, "capacity": {"memory": {"value": "40Gi"}}, "basic": {"attributes": {"type": {"string": "gpu"}}}}
        """;

    private static readonly Dictionary<Type, string> ReadByHand = new()
    {
        [typeof(V1ObjectMeta)] = Metadata,
        [typeof(V1PodSpec)] = PodSpec,
        [typeof(V1ResourceClaimSpec)] = ClaimSpec,
        [typeof(V1ResourceClaimStatus)] = ClaimStatus,
        [typeof(V1SliceDevice)] = SliceDevice,
        [typeof(V1DeviceClassSpec)] = $$"""{"selectors": {{Selectors}}, "extendedResourceName": "example.com/gpu"}""",
        [typeof(JsonElement)] = """{"rules": [{"action": "Count", "onExitCodes": {"values": [1]}}]}""",
    };

    /// <summary>A value of every JSON type.</summary>
    public static IReadOnlyList<string> OddValues { get; } =
    [
        "null",
        "true",
        "0",
        "-1",
        "1.5",
        "1e300",
        "9223372036854775807",
        "\"\"",
        "\"text\"",
        "[]",
        "[null]",
        "{}",
        """{"a": [{"b": null}]}""",
    ];

    public static JsonObject Of<T>()
        where T : class, IKubernetesEntity<T>
    {
        if (typeof(T) == typeof(V1Pod))
        {
            JsonObject pod = JsonNode.Parse($$"""{"metadata": {{Metadata}}, "spec": {{PodSpec}}, "status": {{PodStatus}}}""")!.AsObject();
            // These fields of pods are not kept.
            pod["metadata"]!.AsObject().Remove("finalizers");
            return pod;
        }

        JsonObject sample = Of(T.JsonTypeInfo, "")!.AsObject();
        // A Kubeflow job has its replicas under one of the names.
        const string replicas = "ReplicaSpecs";
        if (sample["spec"] is JsonObject spec)
            foreach (
                string name in spec.Select(pair => pair.Key)
                    .Where(key =>
                        key.EndsWith(replicas, StringComparison.Ordinal)
                        && !T.EntityKind.Kind.StartsWith(key[..^replicas.Length], StringComparison.OrdinalIgnoreCase)
                    )
                    .ToArray()
            )
                spec.Remove(name);
        return sample;
    }

    /// <summary>Every node below the root but for what identifies the object, as the steps to it.</summary>
    public static IEnumerable<IReadOnlyList<object>> Fields(JsonNode? node, IReadOnlyList<object>? at = null)
    {
        at ??= [];
        IEnumerable<(object Step, JsonNode? Value)> parts = node switch
        {
            JsonObject obj => obj.Select(pair => ((object)pair.Key, pair.Value)),
            JsonArray list => list.Select((value, i) => ((object)i, value)),
            _ => [],
        };
        foreach ((object step, JsonNode? value) in parts)
        {
            IReadOnlyList<object> path = [.. at, step];
            if (path is not (["metadata"] or ["metadata", "name" or "uid" or "namespace" or "resourceVersion", ..]))
                yield return path;
            foreach (IReadOnlyList<object> inner in Fields(value, path))
                yield return inner;
        }
    }

    /// <summary>The JSON with one field replaced.</summary>
    public static string Replaced(JsonNode sample, IReadOnlyList<object> field, string value)
    {
        JsonNode copy = sample.DeepClone();
        JsonNode holder = copy;
        foreach (object step in field.Take(field.Count - 1))
            holder = Step(holder, step);
        if (field[^1] is int index)
            holder[index] = JsonNode.Parse(value);
        else
            holder[(string)field[^1]] = JsonNode.Parse(value);
        return copy.ToJsonString();
    }

    public static JsonNode? At(JsonNode sample, IReadOnlyList<object> field) =>
        field.Aggregate((JsonNode?)sample, (node, step) => Step(node!, step));

    /// <summary>The field as messages name it.</summary>
    public static string PathOf(IReadOnlyList<object> field) =>
        field.Aggregate("", (path, step) => step is int index ? $"{path}[{index}]" : MistypedTokens.Join(path, (string)step));

    private static JsonNode Step(JsonNode node, object step) => (step is int index ? node[index] : node[(string)step])!;

    private static JsonNode? Of(JsonTypeInfo type, string name)
    {
        if (type.Type == typeof(IReadOnlyDictionary<string, string>))
            return new JsonObject { [name is "limits" or "requests" ? "nvidia.com/gpu" : "key"] = "2" };
        Type scalar = Nullable.GetUnderlyingType(type.Type) ?? type.Type;
        if (ReadByHand.TryGetValue(scalar, out string? sample))
            return JsonNode.Parse(sample);
        if (scalar == typeof(string))
            return name switch
            {
                "time" => "2026-01-02T03:04:05Z",
                _ => "word",
            };
        if (scalar == typeof(bool))
            return false;
        if (scalar == typeof(int) || scalar == typeof(long))
            return 1;
        if (scalar == typeof(DateTimeOffset))
            return "2026-01-02T03:04:05Z";
        switch (type.Kind)
        {
            case JsonTypeInfoKind.Enumerable:
                return new JsonArray(Of(type.Options.GetTypeInfo(type.ElementType!), name));
            case JsonTypeInfoKind.Dictionary:
                return new JsonObject { ["Worker"] = Of(type.Options.GetTypeInfo(type.ElementType!), name) };
            case JsonTypeInfoKind.Object:
                JsonObject obj = [];
                foreach (JsonPropertyInfo property in type.Properties)
                    // Properties without a setter are not read.
                    if (property.Set is not null || property.AssociatedParameter is not null)
                        obj[property.Name] = Of(type.Options.GetTypeInfo(property.PropertyType), property.Name);
                return obj;
            default:
                throw new NotSupportedException($"There is no sample of {type.Type}.");
        }
    }
}
