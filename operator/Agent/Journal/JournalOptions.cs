namespace Bursar.Agent.Journal;

public sealed record JournalOptions
{
    /// <summary>The folder of the segments; null keeps the journal in memory only (simulated agents).</summary>
    public string? Directory { get; init; }

    /// <summary>A segment is closed at this many entries.</summary>
    public int SegmentEntries { get; init; } = 2048;

    /// <summary>Closed segments whose entries stay in memory; older ones are read from disk on demand.</summary>
    public int SegmentsInMemory { get; init; } = 2;

    /// <summary>
    /// Segments kept in total, on disk or in memory. Above it, the oldest are dropped even if they are not acknowledged, because a
    /// reported gap is better than a full disk on the node.
    /// </summary>
    public int MaxSegments { get; init; } = 256;

    /// <summary>Segments kept in memory that could not be written to disk.</summary>
    public int MaxUnwrittenSegments { get; init; } = 16;

    /// <summary>The most entries in one report to the operator.</summary>
    public int ReportEntries { get; init; } = 5000;
}
