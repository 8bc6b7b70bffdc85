using System.Text.Json;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;

namespace Bursar.Operator.Commands;

/// <summary>Access of the commands to the stored ledger, with or without a running operator.</summary>
internal static class StoredLedger
{
    public static async Task<IReadOnlyList<LedgerShard>> ReadBudgetsAsync(
        KubeClient client,
        string bursarNamespace,
        CancellationToken cancellationToken
    ) =>
        [
            .. (await ReadAsync(client, bursarNamespace, withDays: false, cancellationToken)).Shards.Where(shard =>
                shard.Kind == LedgerShard.BudgetKind
            ),
        ];

    public static async Task<int> CountSuspendedAsync(
        KubeClient client,
        string bursarNamespace,
        IEnumerable<string> shardNames,
        CancellationToken cancellationToken
    )
    {
        var count = 0;
        foreach (var name in shardNames)
            if (await client.GetOrNullAsync<V1Alpha1GpuLedger>(name, bursarNamespace, cancellationToken) is { } ledger)
                count += Read(ledger)?.Suspensions?.Count ?? 0;
        return count;
    }

    /// <summary>Returns the changes of scalers to other objects, each with the name of the object that has the record.</summary>
    public static async Task<IReadOnlyList<(string Shard, ScalerRecord Record)>> ReadScaledAsync(
        KubeClient client,
        string bursarNamespace,
        CancellationToken cancellationToken
    ) =>
        [
            .. (await ReadAsync(client, bursarNamespace, withDays: false, cancellationToken))
                .Shards.Where(shard => shard.Kind == LedgerShard.ScaledKind)
                .SelectMany(shard => (shard.Scaled ?? []).Select(stored => (shard.Name, StoredForm.Read(stored)))),
        ];

    /// <summary>Returns all shards, including pods, nodes and prices, and the names of unreadable objects.</summary>
    /// <param name="bursarNamespace">The namespace of the ledger.</param>
    /// <param name="withDays">Whether to include daily sums, which only a report needs.</param>
    public static async Task<(IReadOnlyList<LedgerShard> Shards, IReadOnlyList<string> Unreadable)> ReadAsync(
        KubeClient client,
        string bursarNamespace,
        bool withDays,
        CancellationToken cancellationToken
    )
    {
        KubeList<V1Alpha1GpuLedger> list;
        try
        {
            list = await ClusterAccess.WithRightAsync($"list gpuledgers.{ApiGroup.Name} in namespace {bursarNamespace}", () =>
                client.ListAsync<V1Alpha1GpuLedger>(
                    new()
                    {
                        Namespace = bursarNamespace,
                        Limit = 50,
                        LabelSelector = withDays ? null : GpuLedgerShards.WithoutDays,
                    },
                    cancellationToken
                )
            );
        }
        catch (ApiException missing) when (missing.IsNotFound)
        {
            throw new CommandException($"the cluster has no {V1Alpha1GpuLedger.KindName}s: Bursar's CRDs are not installed.");
        }
        if (list.Items.Count == 0 && await ClusterAccess.HasNamespaceAsync(client, bursarNamespace, cancellationToken) == false)
            throw new CommandException(
                $"there is no namespace {bursarNamespace}; name the one that Bursar runs in with --bursar-namespace."
            );
        var shards = list.Items.Select(item => (item.Metadata.Name, Shard: GpuLedgerShards.Read(item))).ToArray();
        return (
            [.. shards.Select(one => one.Shard).OfType<LedgerShard>()],
            [.. shards.Where(one => one.Shard is null).Select(one => one.Name)]
        );
    }

    /// <summary>Whether a shard is a budget's, or that of a limit inside it.</summary>
    public static bool IsOf(LedgerShard shard, BudgetObject budget) =>
        BudgetObject.WithoutLimit(shard.BudgetUid ?? "") == budget.Metadata.Uid;

    /// <summary>Returns a warning about incomplete sums; null if they are complete.</summary>
    public static string? Missing(IReadOnlyList<string> unreadable) =>
        unreadable.Count == 0
            ? null
            : $"{V1Alpha1GpuLedger.KindName} {string.Join(", ", unreadable.Take(5))}{(unreadable.Count > 5 ? $" and {unreadable.Count - 5} more" : "")} cannot be read by this version: what is in there is not in these sums.";

    /// <summary>Returns the shard of an object; null if it is not a budget's.</summary>
    public static LedgerShard? Read(V1Alpha1GpuLedger ledger) =>
        GpuLedgerShards.Read(ledger) is { Kind: LedgerShard.BudgetKind } shard ? shard : null;

    /// <summary>
    /// Removes a record from the version of its shard that was read. Returns another record of the same field if there is one, because an
    /// operator wrote it since and its object must be restored again. Otherwise null.
    /// </summary>
    public static Task<SuspensionRecord?> ForgetAsync(
        KubeClient client,
        string bursarNamespace,
        string shardName,
        SuspensionRecord record,
        CancellationToken cancellationToken
    ) =>
        ForgetAsync(
            client,
            bursarNamespace,
            shardName,
            shard => shard.Suspensions,
            (shard, left) => shard with { Suspensions = left },
            stored => stored.Uid == record.Uid && stored.Field == record.Field.Pointer,
            stored => Json(StoredForm.Read(stored)) == Json(record) ? null : StoredForm.Read(stored),
            cancellationToken
        );

    /// <summary>The same for a scaler's changes.</summary>
    public static Task<ScalerRecord?> ForgetAsync(
        KubeClient client,
        string bursarNamespace,
        string shardName,
        ScalerRecord record,
        CancellationToken cancellationToken
    ) =>
        ForgetAsync(
            client,
            bursarNamespace,
            shardName,
            shard => shard.Scaled,
            (shard, left) => shard with { Scaled = left },
            stored => stored.ScalerUid == record.ScalerUid && stored.Target.Uid == record.Target.Uid,
            stored => Json(StoredForm.Read(stored)) == Json(record) ? null : StoredForm.Read(stored),
            cancellationToken
        );

    private static async Task<TRecord?> ForgetAsync<TStored, TRecord>(
        KubeClient client,
        string bursarNamespace,
        string shardName,
        Func<LedgerShard, IReadOnlyList<TStored>?> get,
        Func<LedgerShard, IReadOnlyList<TStored>?, LedgerShard> set,
        Func<TStored, bool> isIt,
        Func<TStored, TRecord?> newerThan,
        CancellationToken cancellationToken
    )
        where TStored : class
        where TRecord : class
    {
        TRecord? newer = null;
        await ChangeAsync(
            client,
            bursarNamespace,
            shardName,
            shard =>
            {
                newer = null;
                var all = get(shard) ?? [];
                if (all.FirstOrDefault(isIt) is not { } stored || (newer = newerThan(stored)) is not null)
                    return null;
                TStored[] left = [.. all.Where(one => !ReferenceEquals(one, stored))];
                return set(shard, left.Length > 0 ? left : null);
            },
            cancellationToken
        );
        return newer;
    }

    private static string Json(SuspensionRecord record) =>
        JsonSerializer.Serialize(StoredForm.From(record), LedgerJson.Default.ShardSuspension);

    private static string Json(ScalerRecord record) => JsonSerializer.Serialize(StoredForm.From(record), LedgerJson.Default.ShardScaler);

    private static async Task ChangeAsync(
        KubeClient client,
        string bursarNamespace,
        string shardName,
        Func<LedgerShard, LedgerShard?> change,
        CancellationToken cancellationToken
    )
    {
        const int mostTries = 5;
        for (var tried = 1; ; tried++)
        {
            if (
                await client.GetOrNullAsync<V1Alpha1GpuLedger>(shardName, bursarNamespace, cancellationToken) is not { } ledger
                || GpuLedgerShards.Read(ledger) is not { } shard
                || change(shard) is not { } changed
            )
                return;
            // Later than any revision that a running operator has in memory, so that it reads the ledger again instead of overwriting this.
            var next = changed with { Revision = shard.Revision + 1000 };
            var body = new V1Alpha1GpuLedger
            {
                Spec = new()
                {
                    Kind = ledger.Spec!.Kind,
                    Namespace = ledger.Spec.Namespace,
                    Day = ledger.Spec.Day,
                    Shard = ledger.Spec.Shard,
                    Data = JsonSerializer.SerializeToElement(next, LedgerJson.Default.LedgerShard),
                },
            };
            try
            {
                await ClusterAccess.WithRightAsync($"patch gpuledgers.{ApiGroup.Name} in namespace {bursarNamespace}", () =>
                    client.PatchAsync<V1Alpha1GpuLedger>(
                        shardName,
                        bursarNamespace,
                        KubePatch.Json(
                            PatchOperation.Test("/metadata/resourceVersion", ledger.Metadata.ResourceVersion),
                            PatchOperation.Replace("/spec", JsonSerializer.SerializeToNode(body, ApiJson.GpuLedger)!["spec"]!.DeepClone())
                        ),
                        cancellationToken
                    )
                );
                return;
            }
            catch (ApiException raced) when ((raced.IsConflict || raced.IsInvalid) && tried < mostTries)
            {
                // Written by another client. Read the new state and try again.
            }
        }
    }
}
