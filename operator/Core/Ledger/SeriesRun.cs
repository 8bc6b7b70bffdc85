namespace Bursar.Core.Ledger;

/// <summary>A run of a series that was completed: how long its pods held GPUs, and the steps it had, where it told them.</summary>
/// <param name="Piece">True: the duration is that of one of its pieces, which its parallelism does not change; null for work that is not
/// made of pieces.</param>
public sealed record SeriesRun(string Uid, DateTimeOffset EndedAt, long DurationMs, long? Steps = null, bool? Piece = null);
