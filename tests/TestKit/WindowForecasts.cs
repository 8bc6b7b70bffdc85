using Bursar.Core.Forecast;
using Bursar.Core.Money;

namespace Bursar.Tests.TestKit;

/// <summary>
/// Forecasts of a month's spending on one of its days, by Bursar and by two simple methods, compared with the actual spending. All three have
/// intervals from their own past errors.
/// </summary>
public static class WindowForecasts
{
    public const int MonthDays = 30;
    private static readonly DateTimeOffset First = new(2026, 1, 5, 0, 0, 0, TimeSpan.Zero);

    /// <param name="byDay">The spending of each day; the month is the last 30 days.</param>
    /// <param name="day">The day of the month on which the forecast is made.</param>
    /// <param name="known">The workloads that run then and what they still cost in the month.</param>
    public static ForecastResult ByBursar(double[] byDay, int day, int coverage, IEnumerable<KnownCost> known)
    {
        var (now, left) = (byDay.Length - MonthDays + day, MonthDays - day);
        var history = new SpendingHistory(
            "",
            TimeSpan.FromDays(1),
            First.AddDays(now),
            [.. byDay.Take(now).TakeLast(SpendingHistory.Kept).Select(amount => Amount.FromDecimal((decimal)Math.Round(amount, 6)))]
        );
        var model = SpendingModel.Fit(history, TimeSpan.FromDays(day), TimeSpan.FromDays(left), coverage)!;
        var spent = history.Amounts.TakeLast(day).Aggregate(Amount.Zero, (sum, amount) => sum + amount);
        var forecast = WindowForecast.From(model, history.End, history.End.AddDays(left), spent, spent, known);
        return new(
            forecast.Low?.ToDouble() ?? double.NaN,
            forecast.Likely.ToDouble(),
            forecast.High?.ToDouble() ?? double.NaN,
            byDay[^MonthDays..].Sum()
        );
    }

    /// <summary>The mean of the window so far goes on.</summary>
    public static ForecastResult ByRunRate(double[] byDay, int day, int coverage) =>
        BySimple(byDay, day, coverage, (past, left) => past.TakeLast(day).Average() * left);

    /// <summary>The last week is repeated.</summary>
    public static ForecastResult BySeasonalNaive(double[] byDay, int day, int coverage) =>
        BySimple(byDay, day, coverage, (past, left) => Enumerable.Range(0, left).Sum(step => past[past.Length - 7 + step % 7]));

    /// <summary>Forecasts with the quantiles of the errors that the method had on each earlier day, over as many days.</summary>
    private static ForecastResult BySimple(double[] byDay, int day, int coverage, Func<double[], int, double> method)
    {
        var (now, left) = (byDay.Length - MonthDays + day, MonthDays - day);
        var past = byDay[Math.Max(0, now - SpendingHistory.Kept)..now];
        var errors = new List<double>();
        for (var origin = Math.Max(7, day); origin + left <= past.Length; origin++)
            errors.Add(past[origin..(origin + left)].Sum() - method(past[..origin], left));
        errors.Sort();
        var tail = (100 - coverage) / 200.0;
        var rank = Math.Min(errors.Count, (int)Math.Ceiling((errors.Count + 1) * (1 - tail)));
        var spent = byDay[(now - day)..now].Sum();
        var likely = spent + method(past, left);
        return errors.Count == 0
            ? new(double.NaN, likely, double.NaN, byDay[^MonthDays..].Sum())
            : new(
                Math.Max(spent, likely + Math.Min(0, errors[errors.Count - rank])),
                likely,
                Math.Max(spent, likely + Math.Max(0, errors[rank - 1])),
                byDay[^MonthDays..].Sum()
            );
    }
}

/// <param name="Low">Not a number if there is no interval, as is <paramref name="High"/>.</param>
/// <param name="Truth">The actual spending of the month.</param>
public readonly record struct ForecastResult(double Low, double Likely, double High, double Truth)
{
    public bool Holds => Low <= Truth && Truth <= High;

    /// <summary>The width of the interval, as a share of the actual spending.</summary>
    public double Width => (High - Low) / Truth;

    /// <summary>The factor by which the interval must be stretched to hold the truth.</summary>
    public double StretchToHold => Truth > Likely ? (Truth - Likely) / (High - Likely) : (Likely - Truth) / (Likely - Low);

    public double Error => Math.Abs(Likely - Truth) / Truth;

    /// <summary>The mean quantile loss of the low, likely and high value, as a share of the actual spending.</summary>
    public double PinballLoss(int coverage)
    {
        var tail = (100 - coverage) / 200.0;
        return (Loss(Low, tail) + Loss(Likely, 0.5) + Loss(High, 1 - tail)) / 3 / Truth;
    }

    private double Loss(double forecast, double quantile) => Math.Max(quantile * (Truth - forecast), (quantile - 1) * (Truth - forecast));
}
