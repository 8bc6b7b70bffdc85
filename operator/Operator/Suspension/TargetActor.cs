using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Kube.Client;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Suspension;

/// <summary>
/// Writes the one field of a manager's object that stops a workload: a JSON patch with tests on the object's UID and on the value that
/// was read. What was absent cannot be tested; the object's version stands for it.
/// </summary>
public sealed class TargetActor(KubeClient client)
{
    /// <summary>Sets the field from one value to another; both are JSON, <c>null</c> in text where it is absent. Without a value to begin from, whatever stands there.</summary>
    public async Task<ActOutcome> WriteAsync(ParkedRecord record, string? from, string to, bool park, CancellationToken cancellationToken)
    {
        var (path, obj) = await ReadAsync(record, cancellationToken);
        if (obj is null) return ActOutcome.Gone;
        var present = ValueIn(obj, record.Field);
        if (Same(present, to)) return ActOutcome.AlreadySo;
        if (from is not null && !Same(present, from)) return ActOutcome.ChangedByOther;

        var operations = new List<PatchOperation>
        {
            PatchOperation.Test("/metadata/uid", record.Target!.Uid),
            present is null ? PatchOperation.Test("/metadata/resourceVersion", (string?)obj["metadata"]!["resourceVersion"]) : PatchOperation.Test(record.Field, present.DeepClone()),
        };
        var annotations = obj["metadata"]!["annotations"] as JsonObject;
        if (park && annotations is null) operations.Add(PatchOperation.Add("/metadata/annotations", new JsonObject()));
        operations.Add(
            to == Work.Absent ? PatchOperation.Remove(record.Field)
            : present is null ? PatchOperation.Add(record.Field, JsonNode.Parse(to))
            : PatchOperation.Replace(record.Field, JsonNode.Parse(to)));
        foreach (var (name, value) in ((string, string)[])[(BursarAnnotations.SuspendedBy, $"gpubudget/{record.Budget}"), (BursarAnnotations.SuspendedReason, record.Reason)])
        {
            var mirror = PatchOperation.Pointer("metadata", "annotations", name);
            if (park) operations.Add(PatchOperation.Add(mirror, value));
            else if (annotations?.ContainsKey(name) == true) operations.Add(PatchOperation.Remove(mirror));
        }
        var patch = KubePatch.Json([.. operations]);
        using var content = new ByteArrayContent(patch.Body.ToArray());
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(patch.ContentType);
        await client.RequestAsync(HttpMethod.Patch, path!, content, cancellationToken);
        return ActOutcome.Done;
    }

    /// <summary>Under whichever of its versions the server knows: its manager may have been replaced by a newer one since.</summary>
    private async Task<(string? Path, JsonNode? Object)> ReadAsync(ParkedRecord record, CancellationToken cancellationToken)
    {
        foreach (var entity in OwnerKinds.EntitiesOf(record.Target!))
        {
            var path = entity.Path(record.Namespace, record.Target!.Name);
            try
            {
                var obj = await client.RequestAsync(HttpMethod.Get, path, null, cancellationToken);
                return (string?)obj?["metadata"]?["uid"] == record.Target.Uid ? (path, obj) : (null, null);
            }
            catch (ApiException error) when (error.IsNotFound)
            {
                // The object or the version of its kind: the next version tells.
            }
        }
        return (null, null);
    }

    /// <summary>What a JSON pointer leads to; null where it is absent.</summary>
    internal static JsonNode? ValueIn(JsonNode obj, string field)
    {
        JsonNode? value = obj;
        foreach (var key in field.Split('/', StringSplitOptions.RemoveEmptyEntries))
            value = (value as JsonObject)?[key.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)];
        return value;
    }

    private static bool Same(JsonNode? present, string json) => JsonNode.DeepEquals(present, JsonNode.Parse(json));
}
