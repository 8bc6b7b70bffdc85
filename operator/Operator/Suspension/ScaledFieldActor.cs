using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kube.Client;

namespace Bursar.Operator.Suspension;

/// <summary>Gives back the fields of other people's objects that a scaler set beside replicas.</summary>
public sealed class ScaledFieldActor(KubeClient client)
{
    public const string MaxReplicaCount = "/spec/maxReplicaCount";
    public const string MaxReplicas = "/spec/maxReplicas";
    public const string PredictorMin = "/spec/predictor/minReplicas";
    public const string PredictorMax = "/spec/predictor/maxReplicas";

    private readonly FieldWriter _writer = new(client);

    /// <summary>
    /// Gives back what the record says, field by field as far as it still holds what Bursar set. What somebody else has set since is
    /// theirs, and so is the other bound of a pair of which they set one: half a pair might be none that their owner takes.
    /// </summary>
    /// <exception cref="InvalidOperationException">This version writes no such kind.</exception>
    public Task<WriteOutcome> RestoreAsync(ScalerRecord record, CancellationToken cancellationToken)
    {
        if (FieldWriter.VersionsOf(record.Target).Count == 0)
            throw new InvalidOperationException($"This version of bursar writes no {record.Target.Kind} of {record.Target.ApiVersion}.");
        return _writer.ChangeAsync(
            record.Namespace,
            record.Target,
            obj =>
            {
                var fields = record
                    .Fields.Where(field => FieldWriter.Text(obj, field.Pointer) != field.Original)
                    .ToLookup(field => field.IsOurs(FieldWriter.Text(obj, field.Pointer)));
                var theirs = fields[false].Select(field => field.Pointer).ToArray();
                FieldValue[] back =
                [
                    .. fields[true]
                        .Where(field => !(IsBound(field.Pointer) && theirs.Any(IsBound)))
                        .Select(field => new FieldValue(field.Pointer, field.Original)),
                ];
                return back.Length > 0 ? FieldChange.Set(back)
                    : theirs.Length == 0 ? WriteOutcome.AlreadySo
                    : WriteOutcome.ChangedByOther(
                        $"{string.Join(", ", theirs)} of {record.Target.Kind} {record.Target.Name} was set by somebody else since"
                    );
            },
            cancellationToken
        );
    }

    private static bool IsBound(string pointer) => pointer is PredictorMin or PredictorMax;
}
