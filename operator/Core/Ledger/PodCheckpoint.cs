namespace Bursar.Core.Ledger;

/// <summary>What one pod said about checkpoints.</summary>
/// <param name="Pod">Its UID.</param>
/// <param name="Requested">When it first asked whether one is wanted: it can answer.</param>
/// <param name="Id">The request that it acknowledged last.</param>
/// <param name="Done">When that checkpoint was written.</param>
/// <param name="Step">The step that it holds, where the pod said so.</param>
public sealed record PodCheckpoint(string Pod, DateTimeOffset Requested, string? Id, DateTimeOffset? Done, long? Step);
