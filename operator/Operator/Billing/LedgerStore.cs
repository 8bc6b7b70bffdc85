using System.Text.Json;
using Bursar.Api;
using Bursar.Concurrency;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Billing;

/// <summary>
/// Stores the ledger in <c>GpuLedger</c> objects in Bursar's own namespace. Every write is conditional on the version that it replaces. A
/// second writer means that this replica no longer leads, so it stops instead of overwriting.
/// </summary>
internal sealed partial class LedgerStore(KubeClient client, string ns, TimeProvider time, ILogger<LedgerStore> logger)
{
    /// <summary>
    /// Shortest interval between writes of a shard, unless a decision depends on it or it has facts that the API no longer shows.
    /// </summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Longest interval for data that only agents measure (busy time, tokens, cursors) in a large ledger. The agents' journals keep it
    /// until then.
    /// </summary>
    public static readonly TimeSpan LongestUsageInterval = TimeSpan.FromMinutes(5);

    /// <summary>Writes per second for usage, of the operator's ten.</summary>
    private const int UsageWritesPerSecond = 1;

    /// <summary>Longest interval between updates of the time up to which the stored ledger is complete.</summary>
    private static readonly TimeSpan ClockInterval = TimeSpan.FromSeconds(10);

    private volatile string? _fault;

    /// <summary>Why the last write was rejected; null after a success. An unreachable API server does not count.</summary>
    public string? Fault => _fault;

    private DateTimeOffset _usageWrittenAt = DateTimeOffset.MinValue;

    private readonly AsyncLock _writing = new(time, "the ledger");
    private readonly Dictionary<string, (string Version, DateTimeOffset WrittenAt)> _versions = new(StringComparer.Ordinal);

    public GpuLedger Ledger { get; private set; } = new();

    public OperatorState State { get; private set; } = new();

    /// <summary>Loads the stored ledger and state. Must be called before anything uses them.</summary>
    /// <exception cref="LedgerUnreadableException">A later version wrote an indispensable part.</exception>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        // Daily sums are only written and deleted, never read here.
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
            // Without these kinds, suspensions would be forgotten and spend would restart at zero.
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

    /// <summary>Writes what is due: new shards and ends of deleted pods at once, others at their interval.</summary>
    public Task FlushDueAsync(CancellationToken cancellationToken) => WriteAsync(all: false, cancellationToken);

    /// <summary>Writes all changes, before a leader steps down.</summary>
    public Task FlushAllAsync(CancellationToken cancellationToken) => WriteAsync(all: true, cancellationToken);

    /// <summary>Writes a budget's suspensions and their reasons, before they are carried out.</summary>
    public async Task FlushBudgetAsync(string budgetUid, CancellationToken cancellationToken)
    {
        using var pass = await _writing.EnterAsync(cancellationToken);
        foreach (var shard in State.DirtyBudgetShards(budgetUid))
            await WriteAsync(shard, State.MarkWritten, cancellationToken);
    }

    /// <summary>
    /// Writes the pods of a namespace that are new, before they are stopped. If this process dies during the suspension, they may be gone
    /// before the next leader starts, and would not be billed.
    /// </summary>
    public async Task FlushArrivalsAsync(string ns, CancellationToken cancellationToken)
    {
        using var pass = await _writing.EnterAsync(cancellationToken);
        foreach (var shard in Ledger.ArrivalShards(ns))
            await WriteAsync(shard, Ledger.MarkWritten, cancellationToken);
    }

    /// <summary>Writes the fields that a scaler is about to change, before it changes them.</summary>
    public async Task FlushScaledAsync(string ns, CancellationToken cancellationToken)
    {
        using var pass = await _writing.EnterAsync(cancellationToken);
        foreach (var shard in State.DirtyScaledShards(ns))
            await WriteAsync(shard, State.MarkWritten, cancellationToken);
    }

    private async Task WriteAsync(bool all, CancellationToken cancellationToken)
    {
        using var pass = await _writing.EnterAsync(cancellationToken);
        // Write in the ledger's order and stop at the first failure, because a node's cursor must not be ahead of its pods.
        var behind = false;
        var complete = time.GetUtcNow();
        var usagePace = TimeSpan.FromSeconds(
            Math.Clamp(_versions.Count / UsageWritesPerSecond, Interval.TotalSeconds, LongestUsageInterval.TotalSeconds)
        );
        var withUsage = all || time.GetUtcNow() - _usageWrittenAt >= usagePace;
        if (withUsage)
            _usageWrittenAt = time.GetUtcNow();
        // Read the state first, so that it is not ahead of the bill on which it was decided.
        var stateShards = State.DirtyShards();
        foreach (
            var shard in stateShards
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
                // The pending change may be as old as the last write.
                if (_versions.TryGetValue(shard.Name, out var pending) && pending.WrittenAt < complete)
                    complete = pending.WrittenAt;
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
            // The version stays known until the deletion succeeded, so a failed one is tried again.
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
            // The object or its namespace was deleted. The next try creates it.
            if (error.IsNotFound)
                _versions.Remove(shard.Name);
            _fault = error.Message;
            throw;
        }
        catch (ApiException error) when (error.IsConflict || error.IsInvalid)
        {
            // Either an earlier write succeeded but its response was lost, or another client writes. Read the object to find out.
            var current = await client.GetOrNullAsync<V1Alpha1GpuLedger>(shard.Name, ns, cancellationToken);
            if (current is null)
            {
                // The server rejected the creation; no other client created the object.
                if (error.IsInvalid && !_versions.Remove(shard.Name))
                    _fault = error.Message;
                _versions.Remove(shard.Name);
            }
            else if (GpuLedgerShards.Read(current) is { } stored && stored.Revision <= shard.Revision)
            {
                // The object is as this replica knows it, so the server rejected the write itself.
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
            // An earlier deletion succeeded but its response was lost.
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "GpuLedger is unreadable and stays unchanged: Name={Name}")]
    private partial void LogUnreadable(string name);

    [LoggerMessage(Level = LogLevel.Warning, Message = "GpuLedger was written by another client, retrying: Name={Name}")]
    private partial void LogConflict(string name);
}
