using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kube.Client;
using Bursar.Operator.Cluster;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Commands;

/// <summary>
/// The part of <c>bursar release --all</c> that the ledger does not know: what the webhook held and no leader has judged, and what Bursar
/// suspended and has no record of.
/// </summary>
internal static class HeldRelease
{
    /// <summary>How much could not be let go.</summary>
    public static async Task<int> RunAsync(
        KubeClient client,
        IReadOnlyList<SuspensionRecord> recorded,
        bool dryRun,
        TextWriter output,
        CancellationToken cancellationToken
    )
    {
        var failed = 0;
        var known = recorded.Select(record => record.Uid).ToHashSet(StringComparer.Ordinal);
        var actor = new WorkloadActor(client);
        var restorer = new FieldRestorer(client);
        var unseen = new List<string>();
        foreach (var kind in WorkKinds.All.Where(kind => kind.Suspends))
        {
            IReadOnlyList<Work> all;
            try
            {
                all = await kind.ListAsync(client, cancellationToken);
            }
            catch (ApiException refused) when (refused.IsForbidden)
            {
                // Whoever may give back what the ledger names may do that much.
                unseen.Add($"{kind.Entity.Plural}.{kind.Entity.Group}");
                continue;
            }
            foreach (var work in all.Where(work => !known.Contains(work.Metadata.Uid) && LostSuspension.IsMarked(work)))
            {
                var what = $"{work.Namespace}/{kind.Name}/{work.Metadata.Name}";
                var record = LostSuspension.RecordOf(work, client.TimeProvider.GetUtcNow());
                try
                {
                    if (!await actor.IsOwnWriteAsync(record, cancellationToken))
                        continue;
                    if (!dryRun)
                        await restorer.RestoreAsync(record, cancellationToken);
                    await output.WriteLineAsync(
                        $"{what}: suspended by {record.Budget} and not in the ledger, {(dryRun ? "would be given back" : "given back")}"
                    );
                }
                catch (ApiException refused)
                {
                    failed++;
                    await output.WriteLineAsync($"{what}: could not be given back: {refused.Message}");
                }
            }
            foreach (var work in all.Where(HeldMark.IsHeld))
            {
                var what = $"{work.Namespace}/{kind.Name}/{work.Metadata.Name}";
                if (dryRun)
                {
                    await output.WriteLineAsync($"{what}: held on creation, would be let go");
                    continue;
                }
                try
                {
                    var isDone =
                        await actor.LetGoAsync(work, work.Metadata.Labels.ContainsKey(KueueOwner.QueueLabel), cancellationToken)
                        == WriteResult.Done;
                    await output.WriteLineAsync($"{what}: {(isDone ? "held on creation, let go" : "someone else changed it meanwhile")}");
                }
                catch (ApiException refused)
                {
                    failed++;
                    await output.WriteLineAsync($"{what}: could not be let go: {refused.Message}");
                }
            }
        }
        if (unseen.Count > 0)
            await output.WriteLineAsync(
                $"What the admission webhook holds and no operator has judged was not looked for: it takes the right to list {string.Join(", ", unseen)} in all namespaces."
            );
        return failed;
    }
}
