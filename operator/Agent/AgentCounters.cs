using System.Collections.Concurrent;

namespace Bursar.Agent;

/// <summary>Counters since the start of the agent. Outcomes come from a closed set. Safe for concurrent use.</summary>
public sealed class AgentCounters
{
    private readonly ConcurrentDictionary<string, long> _scrapes = new();
    private readonly ConcurrentDictionary<string, long> _posts = new();
    private long _samples;
    private long _listFailures;
    private long _readTicks;
    private long _refusedConnections;
    private long _skippedLines;

    public IReadOnlyDictionary<string, long> Scrapes => _scrapes;

    public IReadOnlyDictionary<string, long> Posts => _posts;

    public long Samples => Interlocked.Read(ref _samples);

    /// <summary>Time spent in the driver's library.</summary>
    public TimeSpan ReadTime => new(Interlocked.Read(ref _readTicks));

    public long ListFailures => Interlocked.Read(ref _listFailures);

    public long RefusedConnections => Interlocked.Read(ref _refusedConnections);

    public void Scraped(string outcome) => _scrapes.AddOrUpdate(outcome, 1, (_, n) => n + 1);

    /// <summary>Lines of the pods' metrics pages that could not be parsed.</summary>
    public long SkippedLines => Interlocked.Read(ref _skippedLines);

    public void LinesSkipped(int lines) => Interlocked.Add(ref _skippedLines, lines);

    public void Posted(string outcome) => _posts.AddOrUpdate(outcome, 1, (_, n) => n + 1);

    public void Sampled() => Interlocked.Increment(ref _samples);

    public void DevicesRead(TimeSpan took) => Interlocked.Add(ref _readTicks, took.Ticks);

    public void ListFailed() => Interlocked.Increment(ref _listFailures);

    public void ConnectionRefused() => Interlocked.Increment(ref _refusedConnections);
}
