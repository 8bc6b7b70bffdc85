using System.Globalization;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Suspension;

/// <summary>
/// Restores the fields of other objects that Bursar has set, for the operator and for <c>bursar release</c>. A field that another client
/// has changed since is left alone. An object that this version cannot write is refused, and its record must stay.
/// </summary>
internal sealed class FieldRestorer(KubeClient client)
{
    public const string PredictorMin = "/spec/predictor/minReplicas";
    public const string PredictorMax = "/spec/predictor/maxReplicas";

    private readonly FieldWriter _writer = new(client);

    /// <summary>Returns why this version cannot restore an object; null if it can.</summary>
    public static string? WhyNot(FieldOverride field) =>
        FieldWriter.VersionsOf(field.Object).Count > 0
            ? null
            : $"this version of bursar writes no {field.Object.Kind} of {field.Object.ApiVersion}";

    /// <summary>Returns the permission that restoring a field needs, as text.</summary>
    public static string RightOn(FieldOverride field) =>
        field.Pointer == WorkloadKind.ReplicasField && WorkloadKinds.Find(field.Object) is { } kind
            ? kind.Right
            : FieldWriter.RightOn(field.Object);

    /// <summary>
    /// Resumes a suspended workload. Other objects that would start it by themselves are restored after the one that runs it, unless
    /// another client has changed them.
    /// </summary>
    public async Task<WriteOutcome> RestoreAsync(SuspensionRecord record, CancellationToken cancellationToken)
    {
        var outcome = await RestoreAsync(record.Namespace, [record.Field], isSuspension: true, cancellationToken);
        foreach (var other in record.Also)
            await RestoreAsync(record.Namespace, [record.Field with { Object = other }], isSuspension: true, cancellationToken);
        return outcome;
    }

    public Task<WriteOutcome> RestoreCronJobAsync(SuspensionRecord record, CancellationToken cancellationToken) =>
        RestoreAsync(record.Namespace, [record.CronJob!], isSuspension: true, cancellationToken);

    /// <summary>
    /// Restores the fields that a scaler has set on one object. If a user changed one bound of a pair, neither is restored, because the API
    /// server might reject the combination.
    /// </summary>
    public Task<WriteOutcome> RestoreAsync(ScalerRecord record, CancellationToken cancellationToken) =>
        RestoreAsync(record.Namespace, record.Fields, isSuspension: false, cancellationToken);

    /// <param name="ns">The object's namespace.</param>
    /// <param name="fields">Fields of one object.</param>
    /// <param name="isSuspension">Whether the object has annotations about a suspension, which are removed too.</param>
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
                WorkloadKinds.Find(target)!.Entity,
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
                var differing = fields
                    .Where(field =>
                        !FieldWriter.Same(OrDefault(FieldWriter.Text(obj, field.Pointer), field), OrDefault(field.Original, field))
                    )
                    .ToLookup(field => field.IsOurs(FieldWriter.Text(obj, field.Pointer)));
                var theirs = differing[false].Select(field => field.Pointer).ToArray();
                FieldValue[] back =
                [
                    .. differing[true]
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
                                    .. AdmissionGate.Names.Select(name => new FieldValue(
                                        FieldWriter.Annotation(name),
                                        WorkloadObject.Absent,
                                        IsTested: false
                                    )),
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

    /// <summary>Treats an absent <c>suspend</c> as false.</summary>
    private static string OrDefault(string value, FieldOverride field) =>
        value == WorkloadObject.Absent && field.Value == "true" ? "false" : value;

    private static bool IsBound(string pointer) => pointer is PredictorMin or PredictorMax;

    private static int Count(string replicas) => int.Parse(replicas, NumberStyles.None, CultureInfo.InvariantCulture);
}
