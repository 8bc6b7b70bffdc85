using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Bursar.Core.Ledger;
using Bursar.Kube.Client;
using Bursar.Kube.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Suspension;

/// <summary>
/// Writes the fields of other people's objects that a scaler sets beside replicas: one JSON patch with tests on the object's UID and on every
/// value that was read. What was absent cannot be tested; the object's version stands for it.
/// </summary>
public sealed class ScaledFieldActor(KubeClient client)
{
    public const string MaxReplicaCount = "/spec/maxReplicaCount";
    public const string MaxReplicas = "/spec/maxReplicas";
    public const string PredictorMin = "/spec/predictor/minReplicas";
    public const string PredictorMax = "/spec/predictor/maxReplicas";

    internal const int MostTries = 5;

    private static readonly EntityKind[] _entities = [V1ScaledObject.EntityKind, V1HorizontalPodAutoscaler.EntityKind, V1Beta1InferenceService.EntityKind];

    /// <summary>
    /// Gives back what the record says, field by field as far as it still holds what Bursar set. What somebody else has set since is theirs, and so is the
    /// other bound of a pair of which they set one: half a pair might be none that their owner takes.
    /// </summary>
    public async Task<ScaleOutcome> RestoreAsync(ScaledRecord record, CancellationToken cancellationToken)
    {
        for (var tried = 1; ; tried++)
        {
            if (await ReadAsync(record.Namespace, record.Target, cancellationToken) is not { } obj) return ScaleOutcome.Gone;
            var theirs = record.Fields.Where(field => Text(obj, field.Pointer) is var present && present != field.Original && !field.IsOurs(present)).Select(field => field.Pointer).ToArray();
            var back = record.Fields.Where(field => Text(obj, field.Pointer) != field.Original && !theirs.Contains(field.Pointer) && !(IsBound(field.Pointer) && theirs.Any(IsBound)))
                .Select(field => (field.Pointer, field.Original)).ToArray();
            if (back.Length == 0) return theirs.Length == 0 ? ScaleOutcome.AlreadySo : ScaleOutcome.ChangedByOther($"{string.Join(", ", theirs)} of {record.Target.Kind} {record.Target.Name} was set by somebody else since");
            try
            {
                return await WriteAsync(record.Namespace, record.Target, obj, back, cancellationToken) ? ScaleOutcome.Done : ScaleOutcome.Gone;
            }
            catch (ApiException error) when ((error.IsInvalid || error.IsConflict) && tried < MostTries)
            {
                // Something was written between the read and the write: it is read again.
            }
        }
    }

    /// <summary>The right that writing such an object takes, in words.</summary>
    public static string RightOn(string ns, ParkedTarget target) => EntityOf(target) is { } entity
        ? $"get and patch {entity.Plural}.{entity.Group} in namespace {ns}"
        : $"get and patch {target.Kind} of {target.ApiVersion} in namespace {ns}";

    /// <summary>The object as it stands; null when it is gone or another one has its name.</summary>
    internal async Task<JsonNode?> ReadAsync(string ns, ParkedTarget target, CancellationToken cancellationToken)
    {
        if (EntityOf(target) is not { } entity) throw new InvalidOperationException($"This version of bursar writes no {target.Kind} of {target.ApiVersion}.");
        try
        {
            var obj = await client.RequestAsync(HttpMethod.Get, entity.Path(ns, target.Name), null, cancellationToken);
            return (string?)obj?["metadata"]?["uid"] == target.Uid ? obj : null;
        }
        catch (ApiException error) when (error.IsNotFound)
        {
            return null;
        }
    }

    /// <summary>Sets fields of an object that was read; false when it went in between. Values are JSON, <c>null</c> for absent.</summary>
    internal async Task<bool> WriteAsync(string ns, ParkedTarget target, JsonNode obj, IReadOnlyList<(string Pointer, string Value)> changes, CancellationToken cancellationToken)
    {
        var operations = new List<PatchOperation> { PatchOperation.Test("/metadata/uid", target.Uid) };
        if (changes.Any(change => TargetActor.ValueIn(obj, change.Pointer) is null)) operations.Add(PatchOperation.Test("/metadata/resourceVersion", (string?)obj["metadata"]!["resourceVersion"]));
        foreach (var (pointer, _) in changes)
            if (TargetActor.ValueIn(obj, pointer) is { } present) operations.Add(PatchOperation.Test(pointer, present.DeepClone()));
        foreach (var (pointer, value) in changes)
        {
            if (pointer.StartsWith("/metadata/annotations/", StringComparison.Ordinal) && obj["metadata"]!["annotations"] is not JsonObject) operations.Add(PatchOperation.Add("/metadata/annotations", new JsonObject()));
            operations.Add(value == Work.Absent ? PatchOperation.Remove(pointer) : PatchOperation.Add(pointer, JsonNode.Parse(value)));
        }
        try
        {
            await PatchAsync(client, EntityOf(target)!.Path(ns, target.Name), KubePatch.Json([.. operations]), cancellationToken);
            return true;
        }
        catch (ApiException error) when (error.IsNotFound)
        {
            return false;
        }
    }

    internal static async Task PatchAsync(KubeClient client, string path, KubePatch patch, CancellationToken cancellationToken)
    {
        using var content = new ByteArrayContent(patch.Body.ToArray());
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(patch.ContentType);
        await client.RequestAsync(HttpMethod.Patch, path, content, cancellationToken);
    }

    /// <summary>A field's value as JSON; <c>null</c> where it is absent.</summary>
    internal static string Text(JsonNode obj, string pointer) => TargetActor.ValueIn(obj, pointer)?.ToJsonString() ?? Work.Absent;

    private static bool IsBound(string pointer) => pointer is PredictorMin or PredictorMax;

    private static EntityKind? EntityOf(ParkedTarget target) => Array.Find(_entities, entity => entity.Kind == target.Kind && entity.Group == EntityKind.GroupOf(target.ApiVersion));
}
