namespace Bursar.Core.Forecast;

/// <summary>What a trainer tells of its whole run through its own object's status, rather than by steps.</summary>
/// <param name="At">When it was told.</param>
/// <param name="Percent">Whole percent done; null where it does not say.</param>
/// <param name="Remaining">The time left as the trainer sees it; null where it does not say.</param>
public sealed record ReportedProgress(DateTimeOffset At, int? Percent, TimeSpan? Remaining);
