using System.Collections.Concurrent;

namespace Bursar.Agent;

/// <summary>What has happened since the agent started, by a closed set of outcomes.</summary>
public sealed class AgentCounters
{
    private readonly ConcurrentDictionary<string, long> scrapes = new();
    private readonly ConcurrentDictionary<string, long> posts = new();
    private long samples;
    private long listFailures;
    private long readTicks;
    private long refusedConnections;
    private long skippedLines;

    public IReadOnlyDictionary<string, long> Scrapes => scrapes;

    public IReadOnlyDictionary<string, long> Posts => posts;

    public long Samples => Interlocked.Read(ref samples);

    /// <summary>Time spent in the driver's library.</summary>
    public TimeSpan ReadTime => new(Interlocked.Read(ref readTicks));

    public long ListFailures => Interlocked.Read(ref listFailures);

    public long RefusedConnections => Interlocked.Read(ref refusedConnections);

    public void Scraped(string outcome) => scrapes.AddOrUpdate(outcome, 1, (_, n) => n + 1);

    /// <summary>Lines of pods' pages that could not be read.</summary>
    public long SkippedLines => Interlocked.Read(ref skippedLines);

    public void LinesSkipped(int lines) => Interlocked.Add(ref skippedLines, lines);

    public void Posted(string outcome) => posts.AddOrUpdate(outcome, 1, (_, n) => n + 1);

    public void Sampled() => Interlocked.Increment(ref samples);

    public void DevicesRead(TimeSpan took) => Interlocked.Add(ref readTicks, took.Ticks);

    public void ListFailed() => Interlocked.Increment(ref listFailures);

    public void ConnectionRefused() => Interlocked.Increment(ref refusedConnections);
}
