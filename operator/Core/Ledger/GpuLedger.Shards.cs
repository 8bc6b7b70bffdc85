using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>
/// Storage: each fact is in one object, as a whole. A shard that missed its last write only lacks facts, which the API and the agents'
/// journals deliver again; nothing is counted twice.
/// </summary>
public sealed partial class GpuLedger
{
    /// <summary>The largest JSON size of a shard.</summary>
    public const int MaxShardBytes = 128 * 1024;

    /// <summary>A shard takes no new pods beyond this estimate, so that ends, usage and tokens fit later.</summary>
    private const int PodShardBytes = 112 * 1024;

    private const int NodeShardBytes = 64 * 1024;
    private const string BaseName = "bursar.base";
    private const string ClockName = "bursar.clock";

    private readonly Dictionary<string, BillShard> _openPodShards = [];
    private readonly Dictionary<string, BillShard> _openUsageShards = [];
    private readonly Dictionary<string, BillShard> _openNodeShards = [];
    private readonly HashSet<string> _unreadableNames = new(StringComparer.Ordinal);

    /// <summary>The number of objects that this version cannot read. Their contents are in no sum.</summary>
    public int Unreadable => _unreadableNames.Count;

    /// <summary>
    /// The time up to which the stored ledger is complete. Later starts and ends may be missing, so a reader of the stored ledger bills
    /// open pods up to this time only. Null if an older version wrote the ledger.
    /// </summary>
    public DateTimeOffset? AsOf
    {
        get
        {
            lock (_gate)
                return _asOf is { } at ? Moment(at) : null;
        }
    }

    /// <summary>Advances <see cref="AsOf"/>, once everything up to that time is written. Returns the shard to write next.</summary>
    public LedgerShard AdvanceClock(DateTimeOffset to)
    {
        lock (_gate)
        {
            if (!_shards.TryGetValue(ClockName, out var shard))
                shard = NewShard(new(ClockName, LedgerShard.ClockKind));
            _asOf = Math.Max(_asOf ?? long.MinValue, to.ToUnixTimeMilliseconds());
            shard.Touch();
            return ToShard(shard, factsOnly: true);
        }
    }

    public bool IsDirty
    {
        get
        {
            lock (_gate)
            {
                foreach (var shard in _shards.Values)
                    if (shard.IsDirty)
                        return true;
                return false;
            }
        }
    }

    /// <summary>
    /// Returns the shards that changed since they were written, as one consistent snapshot in the order of writing: prices, pods, budgets,
    /// and last the nodes, whose journal cursors must not be ahead of the pods' sums. Stop at the first failed write; the next call returns
    /// the rest.
    /// </summary>
    /// <param name="factsOnly">Leaves out shards with new measurements only. Every running pod is measured all the time, no decision
    /// depends on that, and the agents' journals keep it until it is written. Journal cursors then stay as stored.</param>
    public IReadOnlyList<LedgerShard> DirtyShards(bool factsOnly = false)
    {
        lock (_gate)
        {
            return
            [
                .. _shards
                    .Values.Where(shard => factsOnly ? shard.HasUnwrittenFacts : shard.IsDirty)
                    .OrderBy(shard => LedgerShard.RankOf(shard.Kind))
                    .ThenBy(shard => shard.Name, StringComparer.Ordinal)
                    .Select(shard => ToShard(shard, factsOnly)),
            ];
        }
    }

    /// <summary>
    /// Returns the shards with pods of a namespace that no stored object contains yet, to be written before such pods are suspended. The
    /// start of billing comes first. Empty if there are none.
    /// </summary>
    public IReadOnlyList<LedgerShard> ArrivalShards(string ns)
    {
        lock (_gate)
        {
            bool HasArrivals(BillShard shard) => shard.HasUnwrittenArrivals && shard.Namespace == ns;
            if (!_shards.Values.Any(HasArrivals))
                return [];
            // The base shard records which days were compacted, so the compacted days are written before it.
            return
            [
                .. _shards
                    .Values.Where(shard =>
                        HasArrivals(shard)
                        || (shard.HasUnwrittenFacts && LedgerShard.RankOf(shard.Kind) <= LedgerShard.RankOf(LedgerShard.BaseKind))
                    )
                    .OrderBy(shard => LedgerShard.RankOf(shard.Kind))
                    .ThenBy(shard => shard.Name, StringComparer.Ordinal)
                    .Select(shard => ToShard(shard, factsOnly: true)),
            ];
        }
    }

    /// <summary>Records that the shard's object has this revision. An empty shard is forgotten once its object is deleted.</summary>
    public void MarkWritten(string name, long revision)
    {
        lock (_gate)
        {
            if (!_shards.TryGetValue(name, out var shard))
                return;
            shard.MarkWritten(revision);
            var withheld = false;
            foreach (var node in shard.Nodes)
            {
                if (node.Offered.Revision == revision)
                    node.Durable = node.Offered.Journal;
                withheld |= node.Durable != node.Journal;
            }
            if (withheld && !shard.IsDirty)
                shard.TouchMeasured();
            if (shard.IsDirty)
                return;
            if (shard.IsEmpty)
                Forget(shard);
            else if (shard.Kind == LedgerShard.DayKind)
                DropWrittenDay(shard);
        }
    }

    /// <summary>
    /// Restores the ledger from its shards, in any order. A pod in two shards (a write that timed out but succeeded) counts once, with the
    /// more complete facts.
    /// </summary>
    /// <param name="unreadable">Names of objects that cannot be read. They are left alone, and no shard uses their names.</param>
    public static GpuLedger Load(IEnumerable<LedgerShard> stored, IEnumerable<string>? unreadable = null)
    {
        var ledger = new GpuLedger();
        ledger._unreadableNames.UnionWith(unreadable ?? []);
        foreach (
            var shard in stored
                .OrderBy(shard => shard.Kind == LedgerShard.BaseKind ? -1 : LedgerShard.RankOf(shard.Kind))
                .ThenBy(shard => shard.Name, StringComparer.Ordinal)
        )
            ledger.Restore(shard);
        if (ledger._detailDay is { } day)
            ledger.ForgetFacts(UtcDay.Start(day), day);
        return ledger;
    }

    private void Forget(BillShard shard)
    {
        _shards.Remove(shard.Name);
        foreach (var open in new[] { _openPodShards, _openUsageShards, _openNodeShards })
        foreach (var (key, openShard) in open.ToArray())
            if (openShard == shard)
                open.Remove(key);
    }

    /// <summary>Drops the sums of a written day from memory. Reports read them from the stored objects.</summary>
    private void DropWrittenDay(BillShard shard)
    {
        _shards.Remove(shard.Name);
        if (shard.Rows is { } rows && _sums.TryGetValue(UtcDay.Parse(shard.Day!), out var parts))
            parts.Remove(rows);
    }

    private BillShard BaseShard() => _shards.TryGetValue(BaseName, out var shard) ? shard : NewShard(new(BaseName, LedgerShard.BaseKind));

    private BillShard NewShard(BillShard shard)
    {
        _shards.Add(shard.Name, shard);
        return shard;
    }

    private void AssignShard(PodAccount pod)
    {
        var ns = pod.Workload.Namespace;
        var day = UtcDay.Text(UtcDay.From(pod.From));
        var key = $"{ns}-{day}";
        var bytes = EstimateBytes(pod);
        if (!_openPodShards.TryGetValue(key, out var shard) || shard.EstimatedBytes + bytes > PodShardBytes)
        {
            var index = NextFreeIndex(key, shard);
            shard = NewShard(
                new(ShardState.Numbered(key, index), LedgerShard.PodsKind)
                {
                    Namespace = ns,
                    Day = day,
                    Index = index,
                }
            );
            _openPodShards[key] = shard;
        }
        AddToShard(pod, shard, bytes);
    }

    private int NextFreeIndex(string prefix, BillShard? last) =>
        ShardState.NextIndex(prefix, last, name => _shards.ContainsKey(name) || _unreadableNames.Contains(name));

    private static void AddToShard(PodAccount pod, BillShard shard, int bytes)
    {
        pod.Shard = shard;
        shard.Pods.Add(pod);
        shard.EstimatedBytes += bytes;
    }

    private const int CheckpointBytes = 160;

    /// <summary>Estimates as if each pod had its own row of labels, and leaves room for later usage.</summary>
    private static int EstimateBytes(PodAccount pod)
    {
        var workload = pod.Workload;
        var bytes =
            740
            + pod.Uid.Length
            + pod.Pod.Length
            + pod.Node.Name.Length
            + pod.Product.Length
            + workload.Namespace.Length
            + workload.Kind.Length
            + workload.Name.Length
            + workload.Uid.Length;
        if (pod.Class == WorkloadClass.Inference)
            bytes += 800;
        if (pod.Checkpoint is not null)
            bytes += CheckpointBytes;
        if (pod.Labels is not null)
            foreach (var (name, value) in pod.Labels)
                bytes += name.Length + value.Length + 6;
        return bytes;
    }

    /// <summary>
    /// Moves a pod's finished days to the shards of those days, so that a pod that runs for a year does not outgrow its own shard.
    /// </summary>
    private void CloseDays(PodAccount pod)
    {
        for (var i = 0; i < pod.Days.Count - 2; i++)
        {
            var usage = pod.Days[i];
            if (usage.IsClosed)
                continue;
            if (usage.Shard is null)
            {
                var day = UtcDay.Text(usage.Day);
                var key = $"{pod.Workload.Namespace}-{day}";
                var bytes = EstimateBytes(pod.Uid, usage.Tokens?.Keys ?? Enumerable.Empty<string>());
                if (!_openUsageShards.TryGetValue(key, out var shard) || shard.EstimatedBytes + bytes > PodShardBytes)
                {
                    var index = NextFreeIndex($"usage.{key}", shard);
                    shard = NewShard(
                        new(ShardState.Numbered($"usage.{key}", index), LedgerShard.UsageKind)
                        {
                            Namespace = pod.Workload.Namespace,
                            Day = day,
                            Index = index,
                        }
                    );
                    _openUsageShards[key] = shard;
                }
                shard.EstimatedBytes += bytes;
                shard.Days.Add((pod, usage));
                usage.Shard = shard;
            }
            usage.Shard.Touch();
            usage.ClosedAt = usage.Shard.Revision;
        }
    }

    /// <summary>Estimates one day of a pod.</summary>
    private static int EstimateBytes(string pod, IEnumerable<string> models) => 160 + pod.Length + TokenBytes(models);

    private static int TokenBytes(IEnumerable<string> models) => models.Sum(model => 130 + model.Length);

    private BillShard ShardOf(NodeAccount node)
    {
        if (node.Shard is null)
        {
            var at =
                node.Capacity.Count > 0 ? node.Capacity[0].At
                : node.Lost.Count > 0 ? node.Lost[0].From
                : _installed ?? 0;
            var day = UtcDay.Text(UtcDay.From(at));
            var bytes = 400 + node.Name.Length;
            if (!_openNodeShards.TryGetValue(day, out var shard) || shard.EstimatedBytes + bytes > NodeShardBytes)
            {
                var index = NextFreeIndex($"nodes.{day}", shard);
                shard = NewShard(new(ShardState.Numbered($"nodes.{day}", index), LedgerShard.NodesKind) { Day = day, Index = index });
                _openNodeShards[day] = shard;
            }
            node.Shard = shard;
            shard.Nodes.Add(node);
            shard.EstimatedBytes += bytes;
        }
        return node.Shard;
    }

    private LedgerShard ToShard(BillShard shard, bool factsOnly)
    {
        var stored = shard.ToStored();
        switch (shard.Kind)
        {
            case LedgerShard.DayKind when shard.Rows is { } day:
                return stored with
                {
                    Rows =
                    [
                        .. day.Work.Select(work => new ShardWork(
                            work.Workload.Namespace,
                            work.Workload.Kind,
                            work.Workload.Name,
                            work.Workload.Uid,
                            work.Class,
                            work.Spent,
                            (long)work.ReservedGpuMs,
                            work.UnpricedGpuMs == 0 ? null : (long)work.UnpricedGpuMs,
                            ToShard(work.Usage)
                        )),
                    ],
                    Remainder = shard.Index == 0 ? new(day.Total, day.Unallocated, day.NodeLost) : null,
                };
            case LedgerShard.DayKind:
                return stored;
            case LedgerShard.BaseKind:
                return stored with
                {
                    DetailDay = _detailDay,
                    KeptDays = _keptDays.Count == 0 ? null : [.. _keptDays.Select(kept => new ShardKeptDay(kept.Key, kept.Value))],
                    Past =
                        _past.Count == 0
                            ? null
                            :
                            [
                                .. _past.Select(sums => new ShardPast(
                                    sums.Key,
                                    (long)sums.Value.Reserved,
                                    ToShard(sums.Value.Usage) with
                                    {
                                        Day = sums.Value.LastDay,
                                    }
                                )),
                            ],
                    Installed = _installed,
                    Currency = _currency,
                    Prices =
                    [
                        .. _prices
                            .OrderBy(entry => entry.Key, StringComparer.Ordinal)
                            .Select(entry => new ShardPrice(
                                entry.Key,
                                [.. entry.Value.Changes.Select(change => new ShardPriceChange(change.At, change.Nano))]
                            )),
                    ],
                };
            case LedgerShard.PodsKind:
                var workloads = new List<ShardWorkload>();
                var rows = new Dictionary<WorkloadKey, List<int>>();
                var podsOfShard = new List<ShardPod>(shard.Pods.Count);
                foreach (var pod in shard.Pods)
                    podsOfShard.Add(ToShard(pod, RowOf(pod, workloads, rows)));
                return stored with { Workloads = workloads, Pods = podsOfShard };
            case LedgerShard.UsageKind:
                return stored with { Usage = [.. shard.Days.Select(day => new ShardPodDay(day.Pod.Uid, ToShard(day.Usage)))] };
            case LedgerShard.ClockKind:
                return stored with { AsOf = _asOf };
            default:
                foreach (var node in shard.Nodes)
                    node.Offered = (shard.Revision, factsOnly ? node.Durable : node.Journal);
                return stored with { Nodes = [.. shard.Nodes.Select(ToShard)] };
        }
    }

    private static int RowOf(PodAccount pod, List<ShardWorkload> workloads, Dictionary<WorkloadKey, List<int>> rows)
    {
        if (!rows.TryGetValue(pod.Workload, out var candidates))
            rows.Add(pod.Workload, candidates = []);
        foreach (var row in candidates)
            if (workloads[row].Class == pod.Class && PodAccount.SameLabels(workloads[row].Labels, pod.Labels))
                return row;
        candidates.Add(workloads.Count);
        workloads.Add(new(pod.Workload.Namespace, pod.Workload.Kind, pod.Workload.Name, pod.Workload.Uid, pod.Class, pod.Labels));
        return workloads.Count - 1;
    }

    private static ShardPod ToShard(PodAccount pod, int workload) =>
        new()
        {
            Uid = pod.Uid,
            Pod = pod.Pod,
            Workload = workload,
            Node = pod.Node.Name,
            Product = pod.Product,
            Gpus = pod.Gpus,
            Parts = pod.Share.IsWhole ? null : pod.Share.Parts,
            Of = pod.Share.IsWhole ? null : pod.Share.Of,
            Claims =
                pod.Claims.Count == 0
                    ? null
                    : [.. pod.Claims.Select(claim => new ShardClaim(claim.Uid, claim.Share.Parts, claim.Share.Of))],
            From = pod.From,
            Finished = pod.FinishedAt,
            Gone = pod.GoneAt,
            Succeeded = pod.Succeeded,
            Alive = pod.AliveAt < pod.GoneAt ? pod.AliveAt : null,
            Seen = pod.FirstObserved == long.MaxValue ? null : pod.FirstObserved,
            ProductSeen = pod.ProductObserved == long.MaxValue ? null : pod.ProductObserved,
            Usage = pod.Cursor is not { } cursor
                ? null
                : new()
                {
                    Epoch = cursor.Epoch,
                    Seq = cursor.Seq,
                    From = pod.JournalFrom ?? 0,
                    To = pod.JournalTo ?? 0,
                    Devices = pod.Labels is null ? [.. pod.Devices ?? []] : null,
                    Days = [.. pod.Days.Where(day => !day.IsKeptByItsShard).Select(ToShard)],
                    Counters = pod.Counters is null
                        ? null
                        :
                        [
                            .. pod.Counters.Select(entry => new ShardCounter(
                                entry.Key,
                                entry.Value.LastPrompt,
                                entry.Value.LastCached,
                                entry.Value.LastGenerated,
                                NullIfZero(entry.Value.LastRequests),
                                entry.Value.IsNamed ? null : true
                            )),
                        ],
                    Checkpoint = pod.Checkpoint is not { } checkpoint
                        ? null
                        : new(
                            checkpoint.Requested.ToUnixTimeMilliseconds(),
                            checkpoint.Id,
                            checkpoint.Done?.ToUnixTimeMilliseconds(),
                            checkpoint.Step
                        ),
                },
        };

    private static ShardDay ToShard(DayUsage usage) =>
        new(
            usage.Day,
            usage.MeasuredMs,
            usage.BusyMs,
            usage.EnergyMj,
            NullIfZero(usage.MemoryMiBMs),
            usage.Tokens is null
                ? null
                :
                [
                    .. usage.Tokens.Select(entry => new ShardTokens(
                        entry.Key,
                        entry.Value.Prompt,
                        entry.Value.Cached,
                        entry.Value.Generated,
                        NullIfZero(entry.Value.Requests)
                    )),
                ],
            NullIfZero(usage.NeededMiB),
            NullIfZero(usage.Co2e),
            usage.Since.Count == 0
                ? null
                :
                [
                    .. usage.Since.Select(one => new ShardSince(
                        one.At,
                        NullIfZero(one.EnergyMj),
                        NullIfZero(one.Co2e),
                        NullIfZero(one.Tokens)
                    )),
                ]
        );

    private static ShardDay ToShard(UsageSums usage) =>
        new(
            0,
            usage.MeasuredMs,
            usage.BusyMs,
            usage.EnergyMj,
            NullIfZero(usage.MemoryMiBMs),
            usage.Tokens.Count == 0
                ? null
                :
                [
                    .. usage.Tokens.Select(entry => new ShardTokens(
                        entry.Key,
                        entry.Value.Prompt,
                        entry.Value.Cached,
                        entry.Value.Generated,
                        NullIfZero(entry.Value.Requests)
                    )),
                ],
            NullIfZero(usage.NeededMiB)
        );

    private static UsageSums SumsOf(ShardDay stored) =>
        new(
            stored.Measured,
            stored.Busy,
            stored.Energy,
            stored.Memory ?? 0,
            (stored.Tokens ?? []).ToDictionary(
                row => row.Model,
                row => new TokenSums(row.Prompt, row.Cached, row.Generated, row.Requests ?? 0),
                StringComparer.Ordinal
            )
        )
        {
            NeededMiB = stored.Needed ?? 0,
        };

    private static long? NullIfZero(long count) => count == 0 ? null : count;

    private static Amount? NullIfZero(Amount amount) => amount == Amount.Zero ? null : amount;

    private static DayUsage FromShard(ShardDay stored)
    {
        var usage = new DayUsage(stored.Day)
        {
            MeasuredMs = stored.Measured,
            BusyMs = stored.Busy,
            EnergyMj = stored.Energy,
            MemoryMiBMs = stored.Memory ?? 0,
            NeededMiB = stored.Needed ?? 0,
            Co2e = stored.Co2e ?? Amount.Zero,
        };
        foreach (var since in stored.Since ?? [])
            usage.Since.Add(
                new(since.At)
                {
                    EnergyMj = since.Energy ?? 0,
                    Co2e = since.Co2e ?? Amount.Zero,
                    Tokens = since.Tokens ?? 0,
                }
            );
        foreach (var row in stored.Tokens ?? [])
            usage.Add(row.Model, new(row.Prompt, row.Cached, row.Generated, row.Requests ?? 0));
        return usage;
    }

    private static ShardNode ToShard(NodeAccount node) =>
        new()
        {
            Name = node.Name,
            Capacity =
            [
                .. node.Capacity.Select(statement => new ShardCapacity(
                    statement.At,
                    statement.Gpus,
                    statement.Product,
                    statement.CapacityType is "" ? null : statement.CapacityType
                )),
            ],
            Lost = node.Lost.Count == 0 ? null : [.. node.Lost.Select(loss => new ShardLoss(loss.From, loss.To))],
            Epoch = node.Offered.Journal.Cursor?.Epoch,
            Seq = node.Offered.Journal.Cursor?.Seq,
            PastEpochs = node.Offered.Journal.PastEpochs.IsEmpty ? null : node.Offered.Journal.PastEpochs,
            Unattributed = node.Offered.Journal.UnattributedMs.IsEmpty ? null : node.Offered.Journal.UnattributedMs,
        };

    private void Restore(LedgerShard shard)
    {
        switch (shard.Kind)
        {
            case LedgerShard.BaseKind:
                BaseShard().Restore(shard.Revision);
                _detailDay = shard.DetailDay ?? _detailDay;
                foreach (var kept in shard.KeptDays ?? [])
                    _keptDays[kept.Day] = kept.Shards;
                foreach (var past in shard.Past ?? [])
                    _past[past.Namespace] = new()
                    {
                        LastDay = past.Usage.Day,
                        Reserved = past.Reserved,
                        Usage = SumsOf(past.Usage),
                    };
                _installed = shard.Installed ?? _installed;
                _currency = shard.Currency ?? _currency;
                foreach (var price in shard.Prices ?? [])
                {
                    if (!_prices.TryGetValue(price.Product, out var timeline))
                        _prices.Add(price.Product, timeline = new());
                    foreach (var change in price.Changes)
                        timeline.Set(change.At, change.Nano);
                }
                break;
            case LedgerShard.DayKind:
                Restore(UtcDay.Parse(shard.Day ?? ""), shard);
                break;
            case LedgerShard.PodsKind:
                var podShard = NewShard(
                    new(shard.Name, shard.Kind)
                    {
                        Namespace = shard.Namespace,
                        Day = shard.Day,
                        Index = shard.Index,
                    }
                );
                podShard.Restore(shard.Revision);
                var key = $"{shard.Namespace}-{shard.Day}";
                if (!_openPodShards.TryGetValue(key, out var open) || open.Index < shard.Index)
                    _openPodShards[key] = podShard;
                foreach (var pod in shard.Pods ?? [])
                    Restore(pod, shard.Workloads![pod.Workload], podShard);
                break;
            case LedgerShard.UsageKind:
                var usageShard = NewShard(
                    new(shard.Name, shard.Kind)
                    {
                        Namespace = shard.Namespace,
                        Day = shard.Day,
                        Index = shard.Index,
                    }
                );
                usageShard.Restore(shard.Revision);
                var usageKey = $"{shard.Namespace}-{shard.Day}";
                if (!_openUsageShards.TryGetValue(usageKey, out var last) || last.Index < shard.Index)
                    _openUsageShards[usageKey] = usageShard;
                foreach (var row in shard.Usage ?? [])
                    Restore(row, usageShard);
                break;
            case LedgerShard.ClockKind:
                NewShard(new(shard.Name, shard.Kind)).Restore(shard.Revision);
                _asOf = shard.AsOf;
                break;
            case LedgerShard.NodesKind:
                var nodeShard = NewShard(new(shard.Name, shard.Kind) { Day = shard.Day, Index = shard.Index });
                nodeShard.Restore(shard.Revision);
                if (!_openNodeShards.TryGetValue(shard.Day ?? "", out var lastNodes) || lastNodes.Index < shard.Index)
                    _openNodeShards[shard.Day ?? ""] = nodeShard;
                foreach (var node in shard.Nodes ?? [])
                    Restore(node, nodeShard);
                break;
        }
    }

    private void Restore(ShardPod stored, ShardWorkload workload, BillShard shard)
    {
        var pod = new PodAccount(stored.Uid)
        {
            Pod = stored.Pod,
            Workload = new(workload.Namespace, workload.Kind, workload.Name, workload.Uid),
            Class = workload.Class,
            Labels = workload.Labels,
            Node = GetOrAddNode(stored.Node),
            Product = stored.Product,
            Gpus = stored.Gpus,
            Share = stored.Of is { } of ? new(stored.Parts ?? 0, of) : DeviceShare.Whole,
            Claims = [.. (stored.Claims ?? []).Select(claim => new SharedClaim(claim.Uid, new(claim.Parts, claim.Of)))],
            From = stored.From,
            FinishedAt = stored.Finished,
            GoneAt = stored.Gone,
            Succeeded = stored.Succeeded,
            AliveAt = stored.Alive ?? stored.Gone,
            FirstObserved = stored.Seen ?? long.MaxValue,
            ProductObserved = stored.ProductSeen ?? long.MaxValue,
        };
        if (stored.Usage is { } usage)
        {
            pod.Cursor = new(usage.Epoch, usage.Seq);
            if (usage.To > 0)
                (pod.JournalFrom, pod.JournalTo) = (usage.From, usage.To);
            if (usage.Devices is { } devices)
                pod.Devices = new(devices, StringComparer.Ordinal);
            if (usage.Checkpoint is { } checkpoint)
                pod.Checkpoint = new(
                    pod.Uid,
                    Moment(checkpoint.Requested),
                    checkpoint.Id,
                    checkpoint.Done is { } done ? Moment(done) : null,
                    checkpoint.Step
                );
            pod.Days.AddRange((usage.Days ?? []).Select(FromShard));
            if (usage.Counters is not null)
                pod.Counters = new(StringComparer.Ordinal);
            foreach (var row in usage.Counters ?? [])
                pod.Counters![row.Model] = new()
                {
                    IsNamed = row.Other is not true,
                    LastPrompt = row.Prompt,
                    LastCached = row.Cached,
                    LastGenerated = row.Generated,
                    LastRequests = row.Requests ?? 0,
                };
        }
        if (_pods.TryGetValue(stored.Uid, out var existing))
        {
            if (!HasMoreFacts(pod, existing))
            {
                shard.Touch(); // written again, without the pod
                return;
            }
            Remove(existing);
        }
        AddToShard(pod, shard, EstimateBytes(pod));
        Add(pod);
    }

    private void Restore(int day, LedgerShard stored)
    {
        // Sums that are not in the base shard come from a process that died before it wrote that. They are computed again.
        if (!_keptDays.TryGetValue(day, out var count) || stored.Index >= count)
            return;
        if (!_sums.TryGetValue(day, out var parts))
            _sums.Add(day, parts = []);
        var part = new DaySums();
        if (stored.Remainder is { } rest)
            (part.Total, part.Unallocated, part.NodeLost) = (rest.Total, rest.Unallocated, rest.NodeLost);
        foreach (var row in stored.Rows ?? [])
        {
            part.Work.Add(
                new()
                {
                    Workload = new(row.Namespace, row.Kind, row.Name, row.Uid),
                    Class = row.Class,
                    Spent = row.Spent,
                    ReservedGpuMs = row.Reserved,
                    UnpricedGpuMs = row.Unpriced ?? 0,
                    Gpus = 0,
                    RatePerHour = HourlyCost.Zero,
                    Since = Moment(UtcDay.Start(day)),
                    Usage = SumsOf(row.Usage),
                    DaysSpent = row.Spent,
                    DaysReservedGpuMs = row.Reserved,
                }
            );
        }
        parts.Add(part);
    }

    private void Restore(ShardPodDay stored, BillShard shard)
    {
        if (!_pods.TryGetValue(stored.Pod, out var pod))
            return;
        shard.EstimatedBytes += EstimateBytes(pod.Uid, (stored.Usage.Tokens ?? []).Select(row => row.Model));
        var index = pod.Days.FindIndex(day => day.Day >= stored.Usage.Day);
        if (index >= 0 && pod.Days[index].Day == stored.Usage.Day)
        {
            // The pod's own record was last written before the day was closed. The journal delivers the rest again, which closes the day.
            pod.Days[index].Shard ??= shard;
            if (pod.Days[index].Shard == shard)
                shard.Days.Add((pod, pod.Days[index]));
            return;
        }
        var usage = FromShard(stored.Usage);
        (usage.Shard, usage.ClosedAt) = (shard, shard.Written);
        pod.Days.Insert(index < 0 ? pod.Days.Count : index, usage);
        shard.Days.Add((pod, usage));
    }

    private static bool HasMoreFacts(PodAccount pod, PodAccount existing)
    {
        if (pod.Labels is null != existing.Labels is null)
            return pod.Labels is not null;
        if (pod.End is null != existing.End is null)
            return pod.End is not null;
        return pod.MeasuredMs > existing.MeasuredMs;
    }

    private void Remove(PodAccount pod)
    {
        _pods.Remove(pod.Uid);
        _podsByNamespace[pod.Workload.Namespace].Remove(pod);
        pod.Node.Pods.Remove(pod);
        pod.Node.Changed();
        pod.Shard!.Pods.Remove(pod);
        pod.Shard.Touch();
    }

    private void Restore(ShardNode stored, BillShard shard)
    {
        var node = GetOrAddNode(stored.Name);
        if (node.Shard is not null)
        {
            shard.Touch(); // a second record, from a write that timed out but succeeded
            return;
        }
        node.Shard = shard;
        shard.Nodes.Add(node);
        shard.EstimatedBytes += 400 + node.Name.Length;
        foreach (var statement in stored.Capacity)
            node.Capacity.Add((statement.At, statement.Gpus, statement.Product, statement.CapacityType ?? ""));
        foreach (var loss in stored.Lost ?? [])
            node.Lost.Add((loss.From, loss.To));
        node.Journal = node.Durable = new(
            stored.Epoch is null ? null : new(stored.Epoch, stored.Seq ?? 0),
            [.. stored.PastEpochs ?? []],
            JournalState.Unread.UnattributedMs.AddRange(stored.Unattributed ?? new Dictionary<string, long>())
        );
    }
}
