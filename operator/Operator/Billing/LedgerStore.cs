using System.Text.Json;
using Bursar.Api;
using Bursar.Concurrency;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Billing;

/// <summary>
/// Keeps the ledger in <c>GpuLedger</c> objects of Bursar's own namespace. Every write is conditional on the version it
/// replaces: a second writer means that this operator is not the leader any more, and it stops rather than overwrite.
/// </summary>
internal sealed partial class LedgerStore(KubeClient client, string ns, TimeProvider time, ILogger<LedgerStore> logger)
{
    /// <summary>A shard is written at most this often, unless a decision depends on it or it holds what the API no longer tells.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    /// <summary>
    /// What only agents measured (busy time, tokens, cursors) waits longer where it is much: their journals keep it meanwhile.
    /// </summary>
    public static readonly TimeSpan LongestUsageInterval = TimeSpan.FromMinutes(5);

    /// <summary>Writes a second that usage may take, of the ten that the operator has.</summary>
    private const int UsageWritesPerSecond = 1;

    /// <summary>How often the stored ledger says up to when it is complete, at the least.</summary>
    private static readonly TimeSpan ClockInterval = TimeSpan.FromSeconds(10);

    private volatile string? _fault;

    /// <summary>
    /// Why the last write was refused; null once one has succeeded. An API server that does not answer is no fault of the ledger.
    /// </summary>
    public string? Fault => _fault;

    private DateTimeOffset _usageWrittenAt = DateTimeOffset.MinValue;

    private readonly AsyncLock _writing = new(time, "the ledger");
    private readonly Dictionary<string, (string Version, DateTimeOffset WrittenAt)> _versions = new(StringComparer.Ordinal);

    public GpuLedger Ledger { get; private set; } = new();

    public OperatorState State { get; private set; } = new();

    /// <summary>Replaces bill and state by what is stored. It comes before anything uses them.</summary>
    /// <exception cref="LedgerUnreadableException">A later version has written what cannot be left out.</exception>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        // Days that are sums are only ever written, and deleted when they are old.
        var list = await client.ListAsync<V1Alpha1GpuLedger>(
            new()
            {
                Namespace = ns,
                Limit = 50,
                LabelSelector = GpuLedgerShards.WithoutDays,
            },
            cancellationToken
        );
        var shards = new List<LedgerShard>();
        var unreadable = new List<string>();
        foreach (var item in list.Items)
        {
            _versions[item.Metadata.Name] = (item.Metadata.ResourceVersion, DateTimeOffset.MinValue);
            if (GpuLedgerShards.Read(item) is { } shard)
            {
                shards.Add(shard);
                continue;
            }
            // Without these, what was suspended would be forgotten and what was spent would begin anew, and their names are needed.
            if (item.Spec?.Kind is null or LedgerShard.BaseKind or LedgerShard.BudgetKind or LedgerShard.ScaledKind)
                throw new LedgerUnreadableException(
                    $"GpuLedger {item.Metadata.Name} cannot be read by this version of Bursar. Run the version that wrote it, or put back a copy."
                );
            unreadable.Add(item.Metadata.Name);
            LogUnreadable(item.Metadata.Name);
        }
        try
        {
            (Ledger, State) = (GpuLedger.Load(shards, unreadable), OperatorState.Load(shards, unreadable));
        }
        catch (JsonException error)
        {
            throw new LedgerUnreadableException(
                $"What the GpuLedgers of kind {LedgerShard.BudgetKind} remember cannot be read by this version of Bursar: {error.Message} Run the version that wrote it, or put back a copy."
            );
        }
    }

    /// <summary>Writes what is due: new shards, and the ends of pods that are gone, at once; others at their pace.</summary>
    public Task FlushDueAsync(CancellationToken cancellationToken) => WriteAsync(all: false, cancellationToken);

    /// <summary>Writes everything that changed: before a leader steps down.</summary>
    public Task FlushAllAsync(CancellationToken cancellationToken) => WriteAsync(all: true, cancellationToken);

    /// <summary>What was suspended for a budget, and why, stands in the ledger before the act.</summary>
    public async Task FlushBudgetAsync(string budgetUid, CancellationToken cancellationToken)
    {
        using var pass = await _writing.EnterAsync(cancellationToken);
        foreach (var shard in State.DirtyBudgetShards(budgetUid))
            await WriteAsync(shard, State.MarkWritten, cancellationToken);
    }

    /// <summary>
    /// What is about to be ended stands in the ledger before the act. Should this process die with the act, the pods may be gone before
    /// another looks, and what the API never showed to it would be in no bill.
    /// </summary>
    public async Task FlushArrivalsAsync(string ns, CancellationToken cancellationToken)
    {
        using var pass = await _writing.EnterAsync(cancellationToken);
        foreach (var shard in Ledger.ArrivalShards(ns))
            await WriteAsync(shard, Ledger.MarkWritten, cancellationToken);
    }

    /// <summary>What a scaler is about to change of somebody's object stands in the ledger before the act.</summary>
    public async Task FlushScaledAsync(string ns, CancellationToken cancellationToken)
    {
        using var pass = await _writing.EnterAsync(cancellationToken);
        foreach (var shard in State.DirtyScaledShards(ns))
            await WriteAsync(shard, State.MarkWritten, cancellationToken);
    }

    private async Task WriteAsync(bool all, CancellationToken cancellationToken)
    {
        using var pass = await _writing.EnterAsync(cancellationToken);
        // In the ledger's order, and no further than the first failure: a node's cursor must not be ahead of its pods.
        var behind = false;
        var complete = time.GetUtcNow();
        var usagePace = TimeSpan.FromSeconds(
            Math.Clamp(_versions.Count / UsageWritesPerSecond, Interval.TotalSeconds, LongestUsageInterval.TotalSeconds)
        );
        var withUsage = all || time.GetUtcNow() - _usageWrittenAt >= usagePace;
        if (withUsage)
            _usageWrittenAt = time.GetUtcNow();
        // The state is taken first: what is written of it is not ahead of the bill that it was decided on.
        var remembered = State.DirtyShards();
        foreach (
            var shard in remembered
                .Concat(Ledger.DirtyShards(factsOnly: !withUsage))
                .OrderBy(shard => LedgerShard.RankOf(shard.Kind))
                .ThenBy(shard => shard.Name, StringComparer.Ordinal)
        )
        {
            var due =
                all
                || shard.IsUrgent
                || !_versions.TryGetValue(shard.Name, out var known)
                || time.GetUtcNow() - known.WrittenAt >= Interval;
            if (shard.Kind == LedgerShard.ClockKind)
                continue;
            if (!due || shard.Kind == LedgerShard.NodesKind && behind)
            {
                behind |= shard.Kind == LedgerShard.PodsKind;
                // The change may be as old as the last write.
                if (_versions.TryGetValue(shard.Name, out var waits) && waits.WrittenAt < complete)
                    complete = waits.WrittenAt;
                continue;
            }
            await WriteAsync(shard, shard.IsState ? State.MarkWritten : Ledger.MarkWritten, cancellationToken);
        }
        if (complete > DateTimeOffset.MinValue && (all || Ledger.AsOf is not { } asOf || complete - asOf >= ClockInterval))
            await WriteAsync(Ledger.AdvanceClock(complete), Ledger.MarkWritten, cancellationToken);
    }

    private async Task WriteAsync(LedgerShard shard, Action<string, long> markWritten, CancellationToken cancellationToken)
    {
        if (shard.IsEmpty)
        {
            // Known until it is gone: a deletion that failed is tried again.
            if (_versions.ContainsKey(shard.Name) || shard.Kind == LedgerShard.DayKind)
                await DeleteAsync(shard.Name, cancellationToken);
            _versions.Remove(shard.Name);
            markWritten(shard.Name, shard.Revision);
            return;
        }
        var body = new V1Alpha1GpuLedger
        {
            Metadata = new()
            {
                Name = shard.Name,
                Namespace = ns,
                Labels = new Dictionary<string, string> { [GpuLedgerShards.KindLabel] = shard.Kind },
            },
            Spec = new()
            {
                Kind = shard.Kind,
                Namespace = shard.Namespace,
                Day = shard.Day,
                Shard = shard.Index,
                Data = JsonSerializer.SerializeToElement(shard, LedgerJson.Default.LedgerShard),
            },
        };
        try
        {
            V1Alpha1GpuLedger written;
            if (_versions.TryGetValue(shard.Name, out var known))
            {
                written = await client.PatchAsync<V1Alpha1GpuLedger>(
                    shard.Name,
                    ns,
                    KubePatch.Json(
                        PatchOperation.Test("/metadata/resourceVersion", known.Version),
                        PatchOperation.Replace("/spec", JsonSerializer.SerializeToNode(body, ApiJson.GpuLedger)!["spec"]!.DeepClone())
                    ),
                    cancellationToken
                );
            }
            else
            {
                written = await client.CreateAsync(body, cancellationToken);
            }
            _versions[shard.Name] = (written.Metadata.ResourceVersion, time.GetUtcNow());
            markWritten(shard.Name, shard.Revision);
            _fault = null;
        }
        catch (ApiException error) when (!error.IsConflict && !error.IsInvalid)
        {
            // Somebody deleted the object, or its namespace: the next try creates it.
            if (error.IsNotFound)
                _versions.Remove(shard.Name);
            _fault = error.Message;
            throw;
        }
        catch (ApiException error) when (error.IsConflict || error.IsInvalid)
        {
            // Either an earlier write of ours went through though its answer was lost, or someone else writes: look.
            var current = await client.GetOrNullAsync<V1Alpha1GpuLedger>(shard.Name, ns, cancellationToken);
            if (current is null)
            {
                // A creation that is refused, not one that somebody forestalled.
                if (error.IsInvalid && !_versions.Remove(shard.Name))
                    _fault = error.Message;
                _versions.Remove(shard.Name);
            }
            else if (GpuLedgerShards.Read(current) is { } stored && stored.Revision <= shard.Revision)
            {
                // The object is as this operator knows it: the write itself was refused.
                if (
                    error.IsInvalid
                    && _versions.TryGetValue(shard.Name, out var expected)
                    && expected.Version == current.Metadata.ResourceVersion
                )
                    _fault = error.Message;
                _versions[shard.Name] = (current.Metadata.ResourceVersion, DateTimeOffset.MinValue);
            }
            else
            {
                throw new LeadershipLostException(
                    $"GpuLedger {shard.Name} has a later revision than this operator wrote: another replica leads."
                );
            }
            LogConflict(shard.Name);
            throw;
        }
    }

    private async Task DeleteAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            await client.DeleteAsync<V1Alpha1GpuLedger>(name, ns, null, cancellationToken);
        }
        catch (ApiException gone) when (gone.IsNotFound)
        {
            // An earlier deletion whose answer was lost.
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "GpuLedger is unreadable and stays unchanged: Name={Name}")]
    private partial void LogUnreadable(string name);

    [LoggerMessage(Level = LogLevel.Warning, Message = "GpuLedger was written by another client, retrying: Name={Name}")]
    private partial void LogConflict(string name);
}
