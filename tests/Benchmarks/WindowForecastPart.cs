using System.Diagnostics;
using System.Globalization;
using Bursar.Core.Forecast;
using Bursar.Core.Money;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Benchmarks;

/// <summary>
/// The forecast of a month's spending on days 10 and 20, compared with run-rate and seasonal-naive forecasts: over invented organisations, and
/// over each 30 days of a production cluster.
/// </summary>
internal static class WindowForecastPart
{
    private const int Organisations = 1_000;
    private static readonly int[] DaysOfMonth = [10, 20];
    private static readonly int[] Coverages = [80, 95];

    public static void Measure(FigureTable table)
    {
        foreach (var history in (int[])[14, 35, SpendingHistory.Kept])
        {
            var organisations = Enumerable
                .Range(0, Organisations)
                .Select(seed => new SyntheticOrganisation(seed, history + WindowForecasts.MonthDays))
                .ToArray();
            var days = organisations.Select(one => one.ByDay()).ToArray();
            Compare(
                $"{Organisations:N0} organisations, {history} days of history",
                days,
                (index, day) => organisations[index].KnownAfter(history + day),
                table,
                target: history == SpendingHistory.Kept
            );
        }
        var clock = Stopwatch.StartNew();
        var sample = new SyntheticOrganisation(1, SpendingHistory.Kept + WindowForecasts.MonthDays).ByDay();
        const int rounds = 1_000;
        clock.Restart();
        for (var round = 0; round < rounds; round++)
            WindowForecasts.ByBursar(sample, 10, 80, []);
        table.Add(
            "window forecast: fitting 112 days and forecasting",
            string.Create(CultureInfo.InvariantCulture, $"{clock.Elapsed.TotalMilliseconds / rounds * 1000:F0} µs")
        );
    }

    /// <summary>Every 30 days of the trace that have 35 days or more before them. Running tasks have no known end.</summary>
    public static void MeasureTrace(string traces, FigureTable table)
    {
        var all = ReplayProcess.GpuHoursByDay(traces);
        var months = Enumerable
            .Range(35, Math.Max(0, all.Length - WindowForecasts.MonthDays - 34))
            .Select(start => all[..(start + WindowForecasts.MonthDays)])
            .ToArray();
        Compare($"{months.Length} overlapping months of a real cluster", months, (_, _) => [], table, target: false);
    }

    private static void Compare(string what, double[][] byDay, Func<int, int, IEnumerable<KnownCost>> known, FigureTable table, bool target)
    {
        foreach (var day in DaysOfMonth)
        foreach (var coverage in Coverages)
        {
            var own = byDay.Select((days, index) => WindowForecasts.ByBursar(days, day, coverage, known(index, day))).ToArray();
            var runRate = byDay.Select(days => WindowForecasts.ByRunRate(days, day, coverage)).ToArray();
            var naive = byDay.Select(days => WindowForecasts.BySeasonalNaive(days, day, coverage)).ToArray();
            var name = string.Create(CultureInfo.InvariantCulture, $"window forecast, {what}, day {day}, {coverage} %");
            var held = own.Count(one => one.Holds) / (double)own.Length;
            if (target)
                table.Add($"{name}: Bursar", Figures(own, coverage), $"holds >= {coverage} %", held >= coverage / 100.0);
            else
                table.Add($"{name}: Bursar", Figures(own, coverage));
            table.Add($"{name}: run-rate", Figures(runRate, coverage) + Stretched(runRate, own));
            table.Add($"{name}: seasonal-naive", Figures(naive, coverage) + Stretched(naive, own));
        }
    }

    private static string Figures(ForecastResult[] results, int coverage)
    {
        var with = results.Where(one => !double.IsNaN(one.Low)).ToArray();
        var error = string.Create(CultureInfo.InvariantCulture, $"error {results.Average(one => one.Error):P1}");
        return with.Length == 0
            ? $"no interval, {error}"
            : string.Create(
                CultureInfo.InvariantCulture,
                $"holds {with.Count(one => one.Holds) / (double)with.Length:P1}, width {with.Average(one => one.Width):P1}, pinball {with.Average(one => one.PinballLoss(coverage)):P2}, {error}"
            );
    }

    /// <summary>The width of the intervals once they are stretched until they hold as many months as Bursar's.</summary>
    private static string Stretched(ForecastResult[] results, ForecastResult[] own)
    {
        var held = own.Count(one => one.Holds);
        if (held == 0 || results.Any(one => double.IsNaN(one.Low)))
            return "";
        var stretch = results.Select(one => one.StretchToHold).Order().ElementAt(held - 1);
        return stretch > 10
            ? "; no width holds as many"
            : string.Create(CultureInfo.InvariantCulture, $"; width {stretch * results.Average(one => one.Width):P1} to hold as many");
    }
}
