namespace Bursar.Core.Ledger;

/// <summary>A run of a series that was completed: how long its pods held GPUs, and the steps it had, where it told them.</summary>
public sealed record SeriesRun(string Uid, DateTimeOffset EndedAt, long DurationMs, long? Steps = null);

/// <summary>The last runs of one series, oldest first.</summary>
public sealed record ShardSeries(string Series, IReadOnlyList<SeriesRun> Runs);
