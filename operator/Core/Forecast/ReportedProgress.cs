namespace Bursar.Core.Forecast;

/// <summary>The trainer's own estimate of its whole run, reported in its object's status rather than by steps.</summary>
/// <param name="At">The time of the report.</param>
/// <param name="Percent">The whole percent done. Null: not reported.</param>
/// <param name="Remaining">The remaining time. Null: not reported.</param>
public sealed record ReportedProgress(DateTimeOffset At, int? Percent, TimeSpan? Remaining);
