using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kube.Client;
using Bursar.Operator.Cluster;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Commands;

/// <summary>The part of <c>bursar release --all</c> that scalers have changed: other autoscalers' bounds, and InferenceServices.</summary>
internal static class ScaledRelease
{
    /// <summary>How much could not be given back.</summary>
    public static async Task<int> RunAsync(
        KubeClient client,
        string bursarNamespace,
        bool mayRun,
        bool dryRun,
        TextWriter output,
        CancellationToken cancellationToken
    )
    {
        var actor = new FieldRestorer(client);
        var failed = 0;
        foreach (
            var (shard, stored) in (await StoredLedger.ReadScaledAsync(client, bursarNamespace, cancellationToken))
                .OrderBy(one => one.Record.Since)
                .ThenBy(one => one.Record.Target.Name, StringComparer.Ordinal)
        )
        {
            var record = stored;
            var what = $"{record.Namespace}/{record.Target.Kind}/{record.Target.Name}";
            if (dryRun)
            {
                await output.WriteLineAsync(
                    $"{what}: would set {string.Join(", ", record.Fields.Select(field => $"{field.Pointer} from {field.Value} back to {Back(field)}"))}, which InferenceScaler {record.ScalerName} changed"
                );
                continue;
            }
            try
            {
                var tried = 0;
                WriteOutcome outcome;
                ScalerRecord? newer = null;
                do
                {
                    record = newer ?? record;
                    outcome = await ClusterAccess.WithRightAsync(
                        $"{FieldWriter.RightOn(record.Target)} in namespace {record.Namespace}",
                        () => actor.RestoreAsync(record, cancellationToken)
                    );
                    if (outcome.Result == WriteResult.Refused)
                        throw new CommandException(outcome.Text!);
                    // Its write may still be on its way: without the record nobody would undo it.
                    if (mayRun && outcome.Result == WriteResult.AlreadySo && record.Fields.Any(field => field.Before is not null))
                        throw new CommandException("it stands as it was, and an operator may be about to change it");
                    newer = await StoredLedger.ForgetAsync(client, bursarNamespace, shard, record, cancellationToken);
                } while (newer is not null && ++tried < ReleaseCommand.MostTries);
                if (newer is not null)
                    throw new CommandException("an operator changes it again and again; run the command once more");
                var fields = string.Join(", ", record.Fields.Select(field => $"{field.Pointer} {Back(field)}"));
                var word = outcome.Result switch
                {
                    WriteResult.Done => $"given back: {fields}{(outcome.Text is { } text ? $"; {text}" : "")}",
                    WriteResult.AlreadySo => $"had it already: {fields}",
                    WriteResult.Gone => "is gone; forgotten",
                    _ => $"left alone: {outcome.Text}",
                };
                await output.WriteLineAsync($"{what}: {word}");
            }
            catch (Exception refused) when (refused is CommandException or ApiException)
            {
                failed++;
                await output.WriteLineAsync($"{what}: could not be given back: {refused.Message}");
            }
        }
        return failed;
    }

    private static string Back(FieldOverride field) => field.Original == Work.Absent ? "absent" : field.Original;
}
