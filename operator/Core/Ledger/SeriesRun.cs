namespace Bursar.Core.Ledger;

/// <summary>A completed run of a series: how long its pods had GPUs, and its steps, if reported.</summary>
/// <param name="Piece">True if the duration is that of one piece, which its parallelism does not change. Null for work that does not
/// consist of pieces.</param>
public sealed record SeriesRun(string Uid, DateTimeOffset EndedAt, long DurationMs, long? Steps = null, bool? Piece = null);
