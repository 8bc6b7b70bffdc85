using System.Text;

namespace Bursar.Core.Ledger;

/// <summary>What belongs into one stored object, and whether it has changed since it was written.</summary>
internal sealed class ShardState(string name, string kind)
{
    private long _facts;
    private long _lastWords;
    private long _arrivals;

    public string Name { get; } = name;

    public string Kind { get; } = kind;

    public string? Namespace { get; init; }

    public string? Day { get; init; }

    public int Index { get; init; }

    public long Revision { get; private set; }

    public long Written { get; private set; }

    public bool IsDirty => Revision > Written;

    /// <summary>Something changed that is not merely measured: what agents measured stands in their journals until it is written.</summary>
    public bool HasUnwrittenFacts => _facts > Written;

    /// <summary>Something of it is known here alone: the API no longer tells it.</summary>
    public bool IsUrgent => _lastWords > Written;

    /// <summary>It holds a pod that no stored object tells of.</summary>
    public bool HasUnwrittenArrivals => _arrivals > Written;

    /// <summary>An upper estimate of the JSON; decides when a new shard is begun.</summary>
    public int EstimatedBytes { get; set; }

    public List<PodAccount> Pods { get; } = [];

    /// <summary>Days of pods that are over.</summary>
    public List<(PodAccount Pod, DayUsage Usage)> Days { get; } = [];

    public List<NodeAccount> Nodes { get; } = [];

    /// <summary>A day's sums while they are to be written.</summary>
    public GpuLedger.DaySums? Rows { get; set; }

    /// <summary>Nothing is left in it that would be worth an object.</summary>
    public bool IsEmpty =>
        Kind switch
        {
            LedgerShard.PodsKind => Pods.Count == 0,
            LedgerShard.UsageKind => Days.Count == 0,
            LedgerShard.NodesKind => Nodes.Count == 0,
            LedgerShard.DayKind => Rows is null,
            LedgerShard.BudgetKind => Parked.Count == 0 && Budget is not { IsEmpty: false } && Budget is not { Parts.Count: > 0 },
            LedgerShard.SeriesKind => Series!.Count == 0,
            LedgerShard.ScaledKind => Scaled!.Count == 0,
            _ => false,
        };

    /// <summary>Null in a part, which holds nothing but what is parked.</summary>
    public BudgetAccount? Budget { get; init; }

    /// <summary>In a part, the budget's own shard.</summary>
    public ShardState? PartOf { get; init; }

    /// <summary>What is parked for a budget, as far as this shard has room.</summary>
    public List<ParkedRecord> Parked { get; } = [];

    /// <summary>The last completed runs, by series.</summary>
    public SortedDictionary<string, List<SeriesRun>>? Series { get; init; }

    /// <summary>What scalers have changed, as far as this shard has room.</summary>
    public List<ScaledRecord>? Scaled { get; init; }

    public void Touch() => _facts = ++Revision;

    public void Arrive() => _arrivals = _facts = ++Revision;

    public void TouchMeasured() => Revision++;

    /// <summary>What it holds is told by nobody else from now on, as far as it is not yet written.</summary>
    public void Hurry()
    {
        if (HasUnwrittenFacts)
            _lastWords = Revision;
    }

    public void MarkWritten(long revision) => Written = Math.Max(Written, revision);

    public void Restore(long revision) => Revision = Written = Math.Max(Revision, revision);
}

/// <summary>What is remembered of one budget.</summary>
internal sealed class BudgetAccount(string uid)
{
    public string Uid { get; } = uid;

    public string Name { get; set; } = "";

    /// <summary>As UTF-8, which is half of a string.</summary>
    private byte[]? _memory;

    public string? Memory
    {
        get => _memory is null ? null : Encoding.UTF8.GetString(_memory);
        set => _memory = value is null ? null : Encoding.UTF8.GetBytes(value);
    }

    /// <summary>Shards for what is parked beyond the room of the budget's own.</summary>
    public List<ShardState> Parts { get; } = [];

    public List<DecisionRecord> Decisions { get; } = [];

    public CountedWindow? Open { get; set; }

    public List<ClosedWindow> Closed { get; } = [];

    /// <summary>Nothing but what is parked.</summary>
    public bool IsEmpty => _memory is null && Decisions.Count == 0 && Open is null;
}
