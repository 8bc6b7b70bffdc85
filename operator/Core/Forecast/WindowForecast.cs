using Bursar.Core.Money;

namespace Bursar.Core.Forecast;

/// <summary>A cost from now on at a rate, until the amount is spent. With a rate of zero it is spent at once.</summary>
public readonly record struct KnownCost(HourlyCost Rate, Amount Amount);

/// <summary>
/// The spending of a budget at the end of its window, with the workloads that have not started yet, if nothing is suspended. It never
/// suspends anything.
/// </summary>
public sealed record WindowForecast
{
    public required SpendingMethod Method { get; init; }

    public required Amount Likely { get; init; }

    /// <summary>The end of the interval that contains <see cref="SpendingModel.Coverage"/> percent of windows. Null: it is not known.</summary>
    public Amount? Low { get; init; }

    public Amount? High { get; init; }

    /// <summary>When the limit is reached with high spending. Null: not in this window, or the interval is not known.</summary>
    public DateTimeOffset? EarliestExhaustedAt { get; init; }

    /// <summary>When the limit is reached with the likely spending. Null: not in this window.</summary>
    public DateTimeOffset? LikelyExhaustedAt { get; init; }

    /// <summary>When the limit is reached with low spending. Null: not in this window, or the interval is not known.</summary>
    public DateTimeOffset? LatestExhaustedAt { get; init; }

    /// <summary>The mean error of this method in past windows, in percent. Null: none is known.</summary>
    public int? PastErrorPercent { get; init; }

    /// <summary>Forecasts a window that contains <paramref name="now"/>. Costs O(n log n) of the known costs, plus the steps that are left.</summary>
    /// <param name="known">What running workloads still cost. A step costs at least that much, and otherwise what is usual.</param>
    public static WindowForecast From(
        SpendingModel model,
        DateTimeOffset now,
        DateTimeOffset windowEnd,
        Amount limit,
        Amount spent,
        IEnumerable<KnownCost> known
    )
    {
        var costs = new KnownSpending(known);
        var (from, sum, begun) = (now, 0.0, spent.ToDouble());
        List<(DateTimeOffset At, double Sum)> course = [(now, 0)];
        for (var step = Math.Max(0, (int)((now - model.End) / model.Step)); from < windowEnd; step++)
        {
            var end = model.End + (step + 1) * model.Step;
            if (end <= from)
                continue;
            if (end > windowEnd)
                end = windowEnd;
            sum += Math.Max(
                model.Expected(step) * ((end - from) / model.Step),
                costs.Between((from - now).TotalHours, (end - now).TotalHours)
            );
            course.Add((end, sum));
            from = end;
        }
        return new()
        {
            Method = model.Method,
            PastErrorPercent = model.PastErrorPercent,
            Likely = AmountOf(course[^1], 0),
            Low = model.Error is { } below ? AmountOf(course[^1], -below) : null,
            High = model.Error is { } above ? AmountOf(course[^1], above) : null,
            EarliestExhaustedAt = Reaches(model.Error),
            LikelyExhaustedAt = Reaches(0),
            LatestExhaustedAt = Reaches(-model.Error),
        };

        // The error of a sum of independent steps grows with the root of their number.
        double At((DateTimeOffset At, double Sum) point, double error) =>
            begun + Math.Max(0, point.Sum + error * Math.Sqrt(Math.Max(0, (point.At - now) / model.Step) / model.Horizon));

        Amount AmountOf((DateTimeOffset At, double Sum) point, double error) =>
            Amount.Max(spent, Amount.FromDecimal((decimal)Math.Min(At(point, error), 1e15)));

        DateTimeOffset? Reaches(double? error)
        {
            if (error is not { } off)
                return null;
            var target = limit.ToDouble();
            for (var i = 0; i < course.Count; i++)
            {
                if (At(course[i], off) is var reached && reached < target)
                    continue;
                if (i == 0)
                    return now;
                var before = At(course[i - 1], off);
                return course[i - 1].At + (target - before) / (reached - before) * (course[i].At - course[i - 1].At);
            }
            return null;
        }
    }

    /// <summary>Known costs by time. Its intervals must be read in order.</summary>
    private sealed class KnownSpending
    {
        private readonly (double End, double Rate)[] _runs;
        private double _atOnce;
        private double _rate;
        private int _next;

        public KnownSpending(IEnumerable<KnownCost> known)
        {
            var runs = new List<(double End, double Rate)>();
            foreach (var cost in known)
            {
                var (rate, amount) = ((double)cost.Rate.NanoPerHour / 1e9, cost.Amount.ToDouble());
                if (rate <= 0)
                    _atOnce += Math.Max(0, amount);
                else if (amount > 0)
                {
                    runs.Add((amount / rate, rate));
                    _rate += rate;
                }
            }
            runs.Sort();
            _runs = [.. runs];
        }

        /// <summary>Returns the cost between two times, in hours from now.</summary>
        public double Between(double from, double to)
        {
            var sum = _atOnce;
            _atOnce = 0;
            for (; _next < _runs.Length && _runs[_next].End <= to; _next++)
            {
                sum += _rate * Math.Max(0, _runs[_next].End - from);
                from = Math.Max(from, _runs[_next].End);
                _rate -= _runs[_next].Rate;
            }
            return sum + Math.Max(0, _rate) * (to - from);
        }
    }
}
