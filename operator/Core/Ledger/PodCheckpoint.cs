namespace Bursar.Core.Ledger;

/// <summary>The last report of one pod about checkpoints.</summary>
/// <param name="Requested">When it first queried for requests, which shows that it can answer them.</param>
/// <param name="Id">The last acknowledged request.</param>
/// <param name="Done">When that checkpoint was written.</param>
/// <param name="Step">The step of that checkpoint. Null: not reported.</param>
public sealed record PodCheckpoint(string Pod, DateTimeOffset Requested, string? Id, DateTimeOffset? Done, long? Step);
