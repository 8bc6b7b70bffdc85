using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Suspension;

internal enum WriteResult
{
    Done,

    /// <summary>The fields already had the values.</summary>
    AlreadySo,

    /// <summary>Another client changed the object after it was read. Nothing was written.</summary>
    ChangedByOther,

    /// <summary>The object is gone, or another object has its name.</summary>
    Gone,

    /// <summary>The object may not be written; <see cref="WriteOutcome.Text"/> says why.</summary>
    Refused,
}

/// <summary>The outcome of a write.</summary>
/// <param name="Text">Details for users; null if there are none.</param>
internal sealed record WriteOutcome(WriteResult Result, string? Text = null)
{
    public static readonly WriteOutcome Done = new(WriteResult.Done);
    public static readonly WriteOutcome AlreadySo = new(WriteResult.AlreadySo);
    public static readonly WriteOutcome Gone = new(WriteResult.Gone);

    public static WriteOutcome ChangedByOther(string? text = null) => new(WriteResult.ChangedByOther, text);

    public static WriteOutcome Refused(string text) => new(WriteResult.Refused, text);
}

/// <summary>A field and its new value as JSON; <see cref="WorkloadObject.Absent"/> removes it.</summary>
/// <param name="IsTested">Whether the write fails if the field changed after it was read. Annotations that only inform users are not
/// tested.</param>
internal sealed record FieldValue(string Pointer, string Value, bool IsTested = true);

/// <summary>A change to an object that was read.</summary>
/// <param name="Outcome">The outcome if the write succeeds, or if there are no fields to write.</param>
internal sealed record FieldChange(WriteOutcome Outcome, params IReadOnlyList<FieldValue> Fields)
{
    /// <summary>Whether the write fails if the spec changed after it was read.</summary>
    public bool TestsSpec { get; init; }

    public static implicit operator FieldChange(WriteOutcome outcome) => new(outcome);

    public static FieldChange Set(params IReadOnlyList<FieldValue> fields) => new(WriteOutcome.Done, fields);
}

/// <summary>
/// Writes the fields of workloads and managers. (The only other writes to objects of others are in <c>Admission/</c>: the status of Kueue's
/// Workloads and AdmissionChecks, and the webhook's CA.) It reads an object, lets the caller decide, and writes the change
/// as one JSON patch that tests the object's UID and every value that was read. A write is applied completely or not at all and can be
/// repeated after a crash.
/// </summary>
internal sealed class FieldWriter(KubeClient client)
{
    /// <summary>
    /// Number of tries. The object is read again if a controller wrote it, for example its status, between the read and the write.
    /// </summary>
    public const int MostTries = 5;

    /// <summary>The kinds that Bursar writes, except the targets of scalers.</summary>
    private static readonly EntityKind[] Kinds =
    [
        .. WorkloadKinds.All.Select(kind => kind.Entity),
        .. ManagerAdapters.All.SelectMany(manager => manager.Entities),
        V1HorizontalPodAutoscaler.EntityKind,
        V1CronJob.EntityKind,
    ];

    /// <summary>
    /// Returns the API versions to read and write an object with, the recorded one first. Empty if this version of Bursar does not write
    /// the kind.
    /// </summary>
    public static IReadOnlyList<EntityKind> VersionsOf(ObjectRef target) =>
        [
            .. Kinds
                .Where(kind => kind.Is(target.ApiVersion, target.Kind))
                .Distinct()
                .OrderByDescending(kind => kind.ApiVersion == target.ApiVersion),
        ];

    /// <summary>Returns the permission that writing such an object needs, as text.</summary>
    public static string RightOn(ObjectRef target) =>
        VersionsOf(target) is [var kind, ..]
            ? $"get and patch {kind.Plural}.{kind.Group}"
            : $"get and patch {target.Kind} of {target.ApiVersion}";

    /// <summary>
    /// Sets the annotations of a field manager by server-side apply, and removes all others that it has set. Fails with a conflict if the
    /// object is gone or another one has its name.
    /// </summary>
    public async Task ApplyAnnotationsAsync(
        EntityKind kind,
        WorkloadKey workload,
        string manager,
        IReadOnlyDictionary<string, string> annotations,
        CancellationToken cancellationToken
    )
    {
        var own = new JsonObject();
        foreach (var (name, value) in annotations)
            own[name] = value;
        var body = new JsonObject
        {
            ["apiVersion"] = kind.ApiVersion,
            ["kind"] = kind.Kind,
            ["metadata"] = new JsonObject
            {
                ["name"] = workload.Name,
                ["namespace"] = workload.Namespace,
                ["uid"] = workload.Uid,
                ["annotations"] = own,
            },
        };
        using var content = new StringContent(body.ToJsonString(), System.Text.Encoding.UTF8, "application/apply-patch+yaml");
        await client.RequestAsync(
            HttpMethod.Patch,
            $"{kind.Path(workload.Namespace, workload.Name)}?fieldManager={manager}&force=true",
            content,
            cancellationToken
        );
    }

    /// <summary>Reads an object; null if it is gone or another object has its name.</summary>
    public async Task<JsonObject?> ReadAsync(string ns, ObjectRef target, CancellationToken cancellationToken) =>
        (await FindAsync(VersionsOf(target), ns, target, null, cancellationToken)).Object;

    public Task<WriteOutcome> ChangeAsync(
        string ns,
        ObjectRef target,
        Func<JsonObject, FieldChange> decide,
        CancellationToken cancellationToken
    ) => ChangeAsync(VersionsOf(target), ns, target, null, obj => ValueTask.FromResult(decide(obj)), cancellationToken);

    /// <summary>Changes an object, with an asynchronous step between the read and the write.</summary>
    public Task<WriteOutcome> ChangeAsync(
        string ns,
        ObjectRef target,
        Func<JsonObject, ValueTask<FieldChange>> decide,
        CancellationToken cancellationToken
    ) => ChangeAsync(VersionsOf(target), ns, target, null, decide, cancellationToken);

    /// <summary>Sets the replicas through the scale subresource if they are still <paramref name="from"/>.</summary>
    public Task<WriteOutcome> ScaleAsync(
        EntityKind kind,
        string ns,
        string name,
        string uid,
        int from,
        int to,
        CancellationToken cancellationToken
    ) =>
        ChangeAsync(
            [kind],
            ns,
            new(kind.ApiVersion, kind.Kind, name, uid),
            "scale",
            scale =>
            {
                // The API server omits zero.
                var present = (int?)scale["spec"]?["replicas"] ?? 0;
                return ValueTask.FromResult<FieldChange>(
                    present == to ? WriteOutcome.AlreadySo
                    : present != from
                        ? WriteOutcome.ChangedByOther($"{kind.Kind} {name} has {present} replicas and not the {from} that were seen")
                    : FieldChange.Set(new FieldValue(WorkloadKind.ReplicasField, JsonValue.Create(to).ToJsonString()))
                );
            },
            cancellationToken
        );

    private async Task<WriteOutcome> ChangeAsync(
        IReadOnlyList<EntityKind> versions,
        string ns,
        ObjectRef target,
        string? subresource,
        Func<JsonObject, ValueTask<FieldChange>> decide,
        CancellationToken cancellationToken
    )
    {
        for (var tried = 1; ; tried++)
        {
            var (path, obj) = await FindAsync(versions, ns, target, subresource, cancellationToken);
            if (obj is null)
                return WriteOutcome.Gone;
            var change = await decide(obj);
            if (change.Fields.Count == 0)
                return change.Outcome;
            // The parent is a list or a scalar that a user has set. Do not replace it.
            if (
                change.Fields.SelectMany(ParentsOf).FirstOrDefault(parent => At(obj, parent) is { } present and not JsonObject) is
                { } blocked
            )
                return WriteOutcome.Refused($"{blocked} of {target.Kind} {target.Name} is not an object");
            try
            {
                var patch = KubePatch.Json([.. Operations(obj, change)]);
                using var content = new ByteArrayContent(patch.Body.ToArray());
                content.Headers.ContentType = MediaTypeHeaderValue.Parse(patch.ContentType);
                await client.RequestAsync(HttpMethod.Patch, path, content, cancellationToken);
                return change.Outcome;
            }
            catch (ApiException error) when (error.IsNotFound)
            {
                return WriteOutcome.Gone;
            }
            catch (ApiException error) when ((error.IsInvalid || error.IsConflict) && tried < MostTries)
            {
                // Another client wrote first. Read the object again.
            }
        }
    }

    /// <summary>Finds the object in the first version that the server serves, because its controller may have been upgraded.</summary>
    private async Task<(string Path, JsonObject? Object)> FindAsync(
        IReadOnlyList<EntityKind> versions,
        string ns,
        ObjectRef target,
        string? subresource,
        CancellationToken cancellationToken
    )
    {
        foreach (var kind in versions)
        {
            var path = kind.Path(ns, target.Name, subresource);
            try
            {
                var obj = (await client.RequestAsync(HttpMethod.Get, path, null, cancellationToken))?.AsObject();
                // Some API servers return a scale without a UID.
                return (
                    path,
                    obj is null
                    || (string?)obj["metadata"]?["uid"] is var uid && uid != target.Uid && (subresource is null || uid is { Length: > 0 })
                        ? null
                        : obj
                );
            }
            catch (ApiException error) when (error.IsNotFound)
            {
                // Either the object or the version does not exist. The next version shows which.
            }
        }
        return ("", null);
    }

    private static List<PatchOperation> Operations(JsonObject obj, FieldChange change)
    {
        var operations = new List<PatchOperation>();
        var uid = (string?)obj["metadata"]?["uid"];
        if (uid is { Length: > 0 })
            operations.Add(PatchOperation.Test("/metadata/uid", uid));
        // Always test a field whose parent is missing. Otherwise creating the parent could overwrite one that another client created since
        // the read.
        var tested = change.Fields.Where(field => field.IsTested || ParentsOf(field).Any(parent => At(obj, parent) is null)).ToArray();
        foreach (var field in tested)
            if (At(obj, field.Pointer) is { } present)
                operations.Add(PatchOperation.Test(field.Pointer, present.DeepClone()));
        // An absent field cannot be tested. Test the generation instead for spec fields, and the resourceVersion for others.
        var absent = tested.Where(field => At(obj, field.Pointer) is null).ToArray();
        var generation = (long?)obj["metadata"]?["generation"] ?? 0;
        var testsSpec = absent.Length > 0 || change.TestsSpec;
        var isVersion =
            uid is not { Length: > 0 }
            || testsSpec && generation == 0
            || absent.Any(field => !field.Pointer.StartsWith("/spec/", StringComparison.Ordinal));
        if (isVersion)
            operations.Add(PatchOperation.Test("/metadata/resourceVersion", (string?)obj["metadata"]?["resourceVersion"]));
        else if (testsSpec)
            operations.Add(PatchOperation.Test("/metadata/generation", generation));

        var created = new HashSet<string>(StringComparer.Ordinal);
        foreach (var field in change.Fields)
        {
            var isPresent = At(obj, field.Pointer) is not null;
            if (field.Value == WorkloadObject.Absent)
            {
                if (isPresent)
                    operations.Add(PatchOperation.Remove(field.Pointer));
                continue;
            }
            foreach (var parent in ParentsOf(field))
                if (At(obj, parent) is null && created.Add(parent))
                    operations.Add(PatchOperation.Add(parent, new JsonObject()));
            var value = JsonNode.Parse(field.Value);
            operations.Add(isPresent ? PatchOperation.Replace(field.Pointer, value) : PatchOperation.Add(field.Pointer, value));
        }
        return operations;
    }

    /// <summary>
    /// Returns the pointers of the objects that must exist before a field is set, outermost first. None for a field that is removed.
    /// </summary>
    private static IEnumerable<string> ParentsOf(FieldValue field)
    {
        if (field.Value == WorkloadObject.Absent)
            yield break;
        for (var slash = field.Pointer.IndexOf('/', 1); slash > 0; slash = field.Pointer.IndexOf('/', slash + 1))
            yield return field.Pointer[..slash];
    }

    /// <summary>Returns a field's value as JSON; <see cref="WorkloadObject.Absent"/> if there is none.</summary>
    public static string Text(JsonNode obj, string pointer) => At(obj, pointer)?.ToJsonString() ?? WorkloadObject.Absent;

    public static bool Same(string json, string other) => JsonNode.DeepEquals(JsonNode.Parse(json), JsonNode.Parse(other));

    public static string Annotation(string name) => PatchOperation.Pointer("metadata", "annotations", name);

    /// <summary>
    /// Returns the annotations that show users who suspended an object and why. Decisions use the ledger's records instead.
    /// </summary>
    /// <param name="budget">The suspending budget; null removes the annotations.</param>
    public static IEnumerable<FieldValue> Mirror(string? budget, string reason = "") =>
        [
            new(Annotation(BursarAnnotations.SuspendedBy), budget is null ? WorkloadObject.Absent : Quote(budget), IsTested: false),
            new(Annotation(BursarAnnotations.SuspendedReason), budget is null ? WorkloadObject.Absent : Quote(reason), IsTested: false),
        ];

    public static string Quote(string text) => JsonValue.Create(text).ToJsonString();

    private static JsonNode? At(JsonNode obj, string pointer)
    {
        JsonNode? value = obj;
        foreach (var key in pointer.Split('/', StringSplitOptions.RemoveEmptyEntries))
            value = (value as JsonObject)?[key.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)];
        return value;
    }
}
