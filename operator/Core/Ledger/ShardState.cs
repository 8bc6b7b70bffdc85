using System.Globalization;

namespace Bursar.Core.Ledger;

/// <summary>What belongs into one stored object, and whether it has changed since it was written.</summary>
internal abstract class ShardState(string name, string kind)
{
    private long _facts;
    private long _urgentRevision;
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
    public bool IsUrgent => _urgentRevision > Written;

    /// <summary>It holds a pod that no stored object tells of.</summary>
    public bool HasUnwrittenArrivals => _arrivals > Written;

    /// <summary>An upper estimate of the JSON; decides when a new shard is begun.</summary>
    public int EstimatedBytes { get; set; }

    /// <summary>Nothing is left in it that would be worth an object.</summary>
    public abstract bool IsEmpty { get; }

    /// <summary>The stored form, as far as it is the same for all kinds.</summary>
    public LedgerShard Stored() =>
        new()
        {
            Name = Name,
            Kind = Kind,
            Namespace = Namespace,
            Day = Day,
            Index = Index,
            Revision = Revision,
            IsUrgent = IsUrgent,
            IsEmpty = IsEmpty,
        };

    public static string Numbered(string prefix, int index) => string.Create(CultureInfo.InvariantCulture, $"{prefix}-{index}");

    /// <summary>Returns the next number behind a prefix whose name is not taken.</summary>
    public static int NextIndex(string prefix, ShardState? last, Predicate<string> isTaken)
    {
        var index = last is null ? 0 : last.Index + 1;
        while (isTaken(Numbered(prefix, index)))
            index++;
        return index;
    }

    public void Touch() => _facts = ++Revision;

    public void Arrive() => _arrivals = _facts = ++Revision;

    public void TouchMeasured() => Revision++;

    /// <summary>What it holds is told by nobody else from now on, as far as it is not yet written.</summary>
    public void Hurry()
    {
        if (HasUnwrittenFacts)
            _urgentRevision = Revision;
    }

    public void MarkWritten(long revision) => Written = Math.Max(Written, revision);

    public void Restore(long revision) => Revision = Written = Math.Max(Revision, revision);
}

/// <summary>A shard of the bill.</summary>
internal sealed class BillShard(string name, string kind) : ShardState(name, kind)
{
    public List<PodAccount> Pods { get; } = [];

    /// <summary>Days of pods that are over.</summary>
    public List<(PodAccount Pod, DayUsage Usage)> Days { get; } = [];

    public List<NodeAccount> Nodes { get; } = [];

    /// <summary>A day's sums while they are to be written.</summary>
    public GpuLedger.DaySums? Rows { get; set; }

    public override bool IsEmpty =>
        Kind switch
        {
            LedgerShard.PodsKind => Pods.Count == 0,
            LedgerShard.UsageKind => Days.Count == 0,
            LedgerShard.NodesKind => Nodes.Count == 0,
            LedgerShard.DayKind => Rows is null,
            _ => false,
        };
}
