using System.Globalization;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Suspension;

/// <summary>
/// Restores the fields of other objects that Bursar has set, for the operator and for <c>bursar release</c>. A field that no longer has Bursar's value
/// belongs to the client that changed it and is left alone. An object that this version cannot write is refused: its record must stay.
/// </summary>
internal sealed class FieldRestorer(KubeClient client)
{
    public const string PredictorMin = "/spec/predictor/minReplicas";
    public const string PredictorMax = "/spec/predictor/maxReplicas";

    private readonly FieldWriter _writer = new(client);

    /// <summary>Why this version cannot restore an object; null if it can.</summary>
    public static string? WhyNot(FieldOverride field) =>
        FieldWriter.VersionsOf(field.Object).Count > 0
            ? null
            : $"this version of bursar writes no {field.Object.Kind} of {field.Object.ApiVersion}";

    /// <summary>The right that restoring a field needs, in words.</summary>
    public static string RightOn(FieldOverride field) =>
        field.Pointer == WorkloadKind.ReplicasField && WorkloadKinds.Of(field.Object) is { } kind
            ? kind.Right
            : FieldWriter.RightOn(field.Object);

    /// <summary>Resumes a suspended workload. Objects that would start it alone are restored after the one that runs it, if others have not changed them.</summary>
    public async Task<WriteOutcome> RestoreAsync(SuspensionRecord record, CancellationToken cancellationToken)
    {
        var outcome = await RestoreAsync(record.Namespace, [record.Field], isSuspension: true, cancellationToken);
        foreach (var other in record.Also)
            await RestoreAsync(record.Namespace, [record.Field with { Object = other }], isSuspension: true, cancellationToken);
        return outcome;
    }

    /// <summary>Resumes the owning CronJob of a suspended run.</summary>
    public Task<WriteOutcome> RestoreCronJobAsync(SuspensionRecord record, CancellationToken cancellationToken) =>
        RestoreAsync(record.Namespace, [record.CronJob!], isSuspension: true, cancellationToken);

    /// <summary>Restores what a scaler has changed of one object. If a user set one bound of a pair, both stay: half of each might be a pair that the object rejects.</summary>
    public Task<WriteOutcome> RestoreAsync(ScalerRecord record, CancellationToken cancellationToken) =>
        RestoreAsync(record.Namespace, record.Fields, isSuspension: false, cancellationToken);

    /// <param name="ns">The object's namespace.</param>
    /// <param name="fields">Fields of one object.</param>
    /// <param name="isSuspension">Whether annotations on the object tell of the suspension. They go with it.</param>
    /// <param name="cancellationToken">Cancels the write.</param>
    private async Task<WriteOutcome> RestoreAsync(
        string ns,
        IReadOnlyList<FieldOverride> fields,
        bool isSuspension,
        CancellationToken cancellationToken
    )
    {
        var target = fields[0].Object;
        if (WhyNot(fields[0]) is { } whyNot)
            return WriteOutcome.Refused(whyNot);
        if (fields is [{ Pointer: WorkloadKind.ReplicasField } replicas])
            return await _writer.ScaleAsync(
                WorkloadKinds.Of(target)!.Entity,
                ns,
                target.Name,
                target.Uid,
                Count(replicas.Value),
                Count(replicas.Original),
                cancellationToken
            );
        return await _writer.ChangeAsync(
            ns,
            target,
            obj =>
            {
                var open = fields
                    .Where(field =>
                        !FieldWriter.Same(OrDefault(FieldWriter.Text(obj, field.Pointer), field), OrDefault(field.Original, field))
                    )
                    .ToLookup(field => field.IsOurs(FieldWriter.Text(obj, field.Pointer)));
                var theirs = open[false].Select(field => field.Pointer).ToArray();
                FieldValue[] back =
                [
                    .. open[true]
                        .Where(field => !(IsBound(field.Pointer) && theirs.Any(IsBound)))
                        .Select(field => new FieldValue(field.Pointer, field.Original)),
                ];
                return back.Length > 0
                        ? FieldChange.Set([
                            .. back,
                            .. isSuspension
                                ?
                                [
                                    .. FieldWriter.Mirror(null),
                                    new FieldValue(
                                        FieldWriter.Annotation(AdmissionGate.Annotation),
                                        WorkloadObject.Absent,
                                        IsTested: false
                                    ),
                                ]
                                : Array.Empty<FieldValue>(),
                        ])
                    : theirs.Length == 0 ? WriteOutcome.AlreadySo
                    : WriteOutcome.ChangedByOther(
                        $"{string.Join(", ", theirs)} of {target.Kind} {target.Name} was set by another client since"
                    );
            },
            cancellationToken
        );
    }

    /// <summary>A <c>suspend</c> that is absent means false.</summary>
    private static string OrDefault(string value, FieldOverride field) =>
        value == WorkloadObject.Absent && field.Value == "true" ? "false" : value;

    private static bool IsBound(string pointer) => pointer is PredictorMin or PredictorMax;

    private static int Count(string replicas) => int.Parse(replicas, NumberStyles.None, CultureInfo.InvariantCulture);
}
