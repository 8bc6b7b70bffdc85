namespace Bursar.Agent.Journal;

public sealed record JournalOptions
{
    /// <summary>Where the segments lie; null keeps the journal in memory only (simulated agents).</summary>
    public string? Directory { get; init; }

    /// <summary>A segment is closed at this many entries.</summary>
    public int SegmentEntries { get; init; } = 2048;

    /// <summary>Closed segments whose entries stay in memory; older ones are read from disk when asked for.</summary>
    public int SegmentsInMemory { get; init; } = 2;

    /// <summary>
    /// Segments kept in all, on disk or in memory. Beyond it the oldest go although nobody has acknowledged them: a
    /// visible gap is better than a full disk on somebody's node.
    /// </summary>
    public int MaxSegments { get; init; } = 256;

    /// <summary>Segments that were not acknowledged and could not be written that are kept in memory.</summary>
    public int MaxUnwrittenSegments { get; init; } = 16;

    /// <summary>Entries in one answer to the operator.</summary>
    public int ReportEntries { get; init; } = 5000;
}
