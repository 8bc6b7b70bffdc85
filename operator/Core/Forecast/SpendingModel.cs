namespace Bursar.Core.Forecast;

public enum SpendingMethod
{
    /// <summary>Only running workloads are counted, because there is too little history.</summary>
    KnownOnly,

    /// <summary>A damped trend.</summary>
    Trend,

    /// <summary>A damped trend with a factor for each day of the week, or each hour of the day.</summary>
    Seasonal,
}

/// <summary>
/// The usual spending of a budget, and how far its forecasts were off before. It is fitted once per step of the history and does not depend
/// on what runs now.
/// </summary>
/// <remarks>
/// The method is a linear trend whose growth fades (Gardner and McKenzie, 1985), with seasonal factors. The interval is a split conformal one (Vovk et al.,
/// 2005; Lei et al., 2018): every earlier step is an origin from which the method forecasts the sum of as many steps as are forecast now,
/// from the steps before it only, and a quantile of these absolute errors is half of the interval. Errors are shares of the usual spending, so
/// that a budget that has grown has wider intervals. docs/decisions/0025-window-forecast.md gives the reasons.
/// </remarks>
public sealed record SpendingModel
{
    /// <summary>The percentage of windows that the interval contains.</summary>
    public const int Coverage = 80;

    /// <summary>The fewest steps of history for a forecast.</summary>
    public const int LeastSteps = 3;

    /// <summary>The weight of the last step in the level of a budget whose days vary around it.</summary>
    private const double SlowWeight = 0.08;

    /// <summary>The weight for a budget whose level changes at once and stays, as with inference or long jobs.</summary>
    private const double FastWeight = 0.5;

    /// <summary>The fast weight is used if its past errors were smaller by this share.</summary>
    private const double FastGain = 0.2;

    private const double TrendWeight = 0.03;
    private const double Damping = 0.9;
    private const int MostSeasons = 8;

    /// <summary>The seasons whose mean is the usual spending.</summary>
    private const int UsualSeasons = 2;

    /// <summary>Errors are taken over so many steps that at least this many of them do not overlap.</summary>
    private const int LeastBlocks = 20;

    /// <summary>A factor counts as if this many further seasons had had no pattern.</summary>
    private const double SeasonPrior = 1;

    public required SpendingMethod Method { get; init; }

    /// <summary>The end of the history. Step 0 begins here.</summary>
    public required DateTimeOffset End { get; init; }

    public required TimeSpan Step { get; init; }

    /// <summary>The usual spending of a step, in the currency.</summary>
    public required double Level { get; init; }

    /// <summary>The growth of the level from step to step, before damping.</summary>
    public required double Trend { get; init; }

    /// <summary>The factors by position in the season; step 0 has the first. Empty: none.</summary>
    public IReadOnlyList<double> Season { get; set; } = [];

    /// <summary>The number of steps to the end of the window, for which the errors hold.</summary>
    public double Horizon { get; init; }

    /// <summary>Half of the interval over the horizon, in the currency. Null: too few errors are known.</summary>
    public double? Error { get; init; }

    /// <summary>The mean absolute error of the forecasts of past windows after the same part of them, in percent. Null: none is known.</summary>
    public int? PastErrorPercent { get; init; }

    /// <summary>Returns the spending that is expected in a step after the history.</summary>
    public double Expected(int step) =>
        Math.Max(0, Level + Trend * DampedSteps(step + 1)) * (Season.Count > 0 ? Season[step % Season.Count] : 1);

    /// <summary>Fits a model. Null: the history is too short, or the window is over.</summary>
    /// <param name="elapsed">The time of the window before the end of the history.</param>
    /// <param name="left">The time from the end of the history to the end of the window.</param>
    /// <param name="coverage">The percentage of windows that the interval should contain.</param>
    public static SpendingModel? Fit(SpendingHistory history, TimeSpan elapsed, TimeSpan left, int coverage = Coverage)
    {
        var amounts = history.Amounts.Select(amount => amount.ToDouble()).ToArray();
        if (amounts.Length < LeastSteps || left <= TimeSpan.Zero)
            return null;
        var period = history.Step == TimeSpan.FromHours(1) ? 24 : 7;
        var horizon = left / history.Step;
        var steps = Math.Max(1, Math.Min((int)Math.Round(horizon), (amounts.Length - LeastSteps) / 3));
        var (origins, fast) = (Follow(amounts, period, SlowWeight), Follow(amounts, period, FastWeight));
        if (SumOfErrors(amounts, fast, steps) < (1 - FastGain) * SumOfErrors(amounts, origins, steps))
            origins = fast;
        var last = origins[^1];
        return new()
        {
            Method = last.Season.Length > 0 ? SpendingMethod.Seasonal : SpendingMethod.Trend,
            End = history.End,
            Step = history.Step,
            Level = last.Level,
            Trend = last.Trend,
            Season = last.Season,
            Horizon = horizon,
            Error = ErrorOf(amounts, origins, horizon, coverage),
            PastErrorPercent = PastError(amounts, origins, (int)Math.Round(Math.Max(0, elapsed / history.Step)), horizon),
        };
    }

    /// <summary>Returns the state of the method after each number of steps from <see cref="LeastSteps"/> on, from the steps before only.</summary>
    private static List<Origin> Follow(double[] amounts, int period, double levelWeight)
    {
        var states = new List<Origin>(amounts.Length);
        var (level, trend) = (amounts.Take(LeastSteps).Average(), 0.0);
        double[] season = [];
        for (var at = LeastSteps; ; at++)
        {
            season = Factors(amounts.AsSpan(0, at), period);
            var usual = Math.Min(at, UsualSeasons * period);
            states.Add(new(at, level, trend, season, Sum(amounts, at - usual, usual) / usual));
            if (at == amounts.Length)
                return states;
            var expected = level + Damping * trend;
            // The first steps weigh as in a plain mean, so that the first guess of the level has no lasting effect.
            var weight = Math.Max(levelWeight, 1.0 / (at + 1));
            var error = amounts[at] - expected * (season.Length > 0 ? season[0] : 1);
            level = Math.Max(0, expected + weight * error);
            trend = Damping * trend + weight * TrendWeight * error;
        }
    }

    /// <summary>Returns the factors of the steps that follow, from the last whole seasons; empty with fewer than two.</summary>
    private static double[] Factors(ReadOnlySpan<double> amounts, int period)
    {
        var seasons = Math.Min(amounts.Length / period, MostSeasons);
        if (seasons < 2)
            return [];
        var factors = new double[period];
        var first = amounts.Length - seasons * period;
        var mean = 0.0;
        for (var i = first; i < amounts.Length; i++)
        {
            factors[(i - first) % period] += amounts[i];
            mean += amounts[i];
        }
        mean /= seasons * period;
        if (mean <= 0)
            return [];
        for (var i = 0; i < period; i++)
            factors[i] = (factors[i] + SeasonPrior * mean) / ((seasons + SeasonPrior) * mean);
        return factors;
    }

    private static double SumOfErrors(double[] amounts, List<Origin> origins, int steps) =>
        origins
            .Where(origin => origin.At + steps <= amounts.Length)
            .Sum(origin => Math.Abs(Sum(amounts, origin.At, steps) - origin.Expected(steps)));

    private static double? ErrorOf(double[] amounts, List<Origin> origins, double horizon, int coverage)
    {
        // Errors over fewer steps are larger shares, so a short history gives wide intervals.
        var steps = Math.Max(1, Math.Min((int)Math.Round(horizon), (amounts.Length - LeastSteps) / LeastBlocks));
        var errors = new List<double>();
        foreach (var origin in origins)
            if (origin.At + steps <= amounts.Length && origin.Usual > 0)
                errors.Add(Math.Abs(Sum(amounts, origin.At, steps) - origin.Expected(steps)) / (origin.Usual * steps));
        var rank = (int)Math.Ceiling((errors.Count + 1) * coverage / 100.0);
        if (rank > errors.Count)
            return null;
        errors.Sort();
        return errors[rank - 1] * origins[^1].Usual * horizon;
    }

    /// <summary>Returns the mean error of the whole window's sum, over windows of the same length that ended with each step.</summary>
    private static int? PastError(double[] amounts, List<Origin> origins, int elapsed, double horizon)
    {
        var steps = Math.Max(1, (int)Math.Round(horizon));
        var (sum, count) = (0.0, 0);
        foreach (var origin in origins)
        {
            if (origin.At < elapsed || origin.At + steps > amounts.Length)
                continue;
            var before = Sum(amounts, origin.At - elapsed, elapsed);
            var truth = before + Sum(amounts, origin.At, steps);
            if (truth <= 0)
                continue;
            sum += Math.Abs(before + origin.Expected(steps) - truth) / truth;
            count++;
        }
        return count == 0 ? null : (int)Math.Min(999, Math.Round(100 * sum / count));
    }

    private static double Sum(double[] amounts, int from, int steps)
    {
        var sum = 0.0;
        for (var i = from; i < from + steps; i++)
            sum += amounts[i];
        return sum;
    }

    private static double DampedSteps(int steps) => Damping * (1 - Math.Pow(Damping, steps)) / (1 - Damping);

    /// <param name="At">The number of steps before it.</param>
    /// <param name="Usual">The mean of the last steps, of which errors are shares.</param>
    private sealed record Origin(int At, double Level, double Trend, double[] Season, double Usual)
    {
        public double Expected(int steps)
        {
            var (sum, growth, weight) = (0.0, 0.0, 1.0);
            for (var step = 0; step < steps; step++)
            {
                growth += weight *= Damping;
                sum += Math.Max(0, Level + Trend * growth) * (Season.Length > 0 ? Season[step % Season.Length] : 1);
            }
            return sum;
        }
    }
}
