using Bursar.Core.Money;

namespace Bursar.Core.Forecast;

/// <summary>A budget's spending by day, or by hour for short windows, without gaps.</summary>
/// <param name="Scope">The workloads that were counted. A history of another scope is of no use.</param>
/// <param name="Step">A day, or an hour. A day with a clock change counts as one of 24 hours.</param>
/// <param name="End">The end of the last step.</param>
/// <param name="Amounts">The spending of each step, oldest first.</param>
public sealed record SpendingHistory(string Scope, TimeSpan Step, DateTimeOffset End, IReadOnlyList<Amount> Amounts)
{
    /// <summary>The number of steps that are kept: 16 weeks of days, or 5 days of hours.</summary>
    public const int Kept = 16 * 7;
}
