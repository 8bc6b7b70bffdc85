using System.Globalization;

namespace Bursar.Core.Ledger;

/// <summary>The contents of one stored object, and whether they changed since the last write.</summary>
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

    /// <summary>Whether anything changed besides measurements. Agents' journals keep those until they are written.</summary>
    public bool HasUnwrittenFacts => _facts > Written;

    /// <summary>Whether only this process knows a part of it, because the API no longer shows it.</summary>
    public bool IsUrgent => _urgentRevision > Written;

    /// <summary>Whether it contains a pod that no stored object contains.</summary>
    public bool HasUnwrittenArrivals => _arrivals > Written;

    /// <summary>An upper estimate of the JSON size, which decides when a new shard is begun.</summary>
    public int EstimatedBytes { get; set; }

    /// <summary>Whether nothing is left in it that is worth an object.</summary>
    public abstract bool IsEmpty { get; }

    /// <summary>Returns the stored form without the lists, which differ by kind.</summary>
    public LedgerShard ToStored() =>
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

    public void TouchArrival() => _arrivals = _facts = ++Revision;

    public void TouchMeasured() => Revision++;

    /// <summary>Marks unwritten facts as urgent, because the API will not show them again.</summary>
    public void MarkUrgent()
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

    /// <summary>Finished days of pods.</summary>
    public List<(PodAccount Pod, DayUsage Usage)> Days { get; } = [];

    public List<NodeAccount> Nodes { get; } = [];

    /// <summary>The sums of a day until they are written.</summary>
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
